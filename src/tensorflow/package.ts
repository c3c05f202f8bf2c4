/**
 * Finds the JavaScript of `@tensorflow/tfjs-node-gpu`. It weighs more than all the rest, so it is not installed with Haze: set-up
 * fetches it into the cache, unless the project has it.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

export const PACKAGE = '@tensorflow/tfjs-node-gpu';
/** The version that the binding's sources and the loader are written against. */
export const PACKAGE_VERSION = '4.22.0';

/** Where set-up puts the package. */
export const packageCache = (cache: string): string => path.join(cache, `tfjs-${PACKAGE_VERSION}`);

/** The package's folder: among this program's dependencies, else in the cache; undefined if in neither. */
export function findPackage(cache: string, from: string = import.meta.url): string | undefined {
  try {
    return path.dirname(createRequire(from).resolve(`${PACKAGE}/package.json`));
  } catch {
    const cached = path.join(packageCache(cache), 'node_modules', PACKAGE);
    return existsSync(path.join(cached, 'package.json')) ? cached : undefined;
  }
}

/** The binary of the package's own installer, if it ran. */
export function officialBinding(packageFolder: string): string | undefined {
  const file = path.join(packageFolder, 'lib', 'napi-v8', 'tfjs_binding.node');
  return existsSync(file) ? file : undefined;
}
