/**
 * Where set-ups live: in the user's cache, shared by every clone, one folder for each set of wheels.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Bundle } from './wheels.js';

/** Counts changes in what set-up does with the same wheels: another number is another folder. */
const RECIPE = 1;

/** The folder of a finished set-up. Its name changes with any wheel's hash, so an old one is never taken for a new one. */
export function installFolder(cache: string, bundle: Bundle): string {
  const hashes = [bundle.tensorflow, ...bundle.nvidia].map((wheel) => wheel.sha256);
  const key =
    hashes.length === 1 ? hashes[0]! : createHash('sha256').update(hashes.join('\n')).digest('hex');
  const name = `${bundle.kind}-${bundle.tensorflow.version}-${key.slice(0, 16)}-${RECIPE}`;
  return path.join(cache, 'tensorflow', name);
}

/** The native binding of a set-up. libtensorflow lies beside it and is found by its run path, `$ORIGIN`. */
export const bindingFile = (install: string): string =>
  path.join(install, 'tensorflow', 'tfjs_binding.node');

/** Says that a set-up is whole: written last, before the folder gets its name. */
export const manifestFile = (install: string): string => path.join(install, 'manifest.json');
