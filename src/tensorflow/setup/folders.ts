/**
 * Folders of set-ups: in the user's cache, shared by all clones, one folder for each set of wheels.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import type { Bundle } from './wheels.js';

/** Incremented when set-up treats the same wheels differently: another number is another folder. */
const RECIPE = 2;

/** The folder of a finished set-up. Its name depends on every wheel's hash, so an old one is never taken for a new one. */
export function installFolder(cache: string, bundle: Bundle): string {
  const hashes = [bundle.tensorflow, ...bundle.nvidia].map((wheel) => wheel.sha256);
  const key =
    hashes.length === 1 ? hashes[0]! : createHash('sha256').update(hashes.join('\n')).digest('hex');
  const name = `${bundle.kind}-${bundle.tensorflow.version}-${key.slice(0, 16)}-${RECIPE}`;
  return path.join(cache, 'tensorflow', name);
}

/** The native binding of a set-up. libtensorflow is in the same folder and is found by its run path, `$ORIGIN`. */
export const bindingFile = (install: string): string =>
  path.join(install, 'tensorflow', 'tfjs_binding.node');

/** Marks a complete set-up: written last, before the folder is renamed. */
export const manifestFile = (install: string): string => path.join(install, 'manifest.json');
