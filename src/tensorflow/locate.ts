/** Which native binding to load: one that `haze setup tensorflow` built, else one from the package's installer. */
import { existsSync, readFileSync } from 'node:fs';
import { UsageError } from '../errors.js';
import { cacheFolder } from '../io/cache-folder.js';
import { findPackage, officialBinding } from './package.js';
import { bindingFile, installFolder, manifestFile } from './setup/folders.js';
import { checkPlatform, otherPlatform } from './setup/platform.js';
import { type Danger, dangerOf, refuseUnsafe } from './setup/safe-cache.js';
import { type Bundle, CPU, CUDA } from './setup/wheels.js';

/** Where libtensorflow comes from: a set-up for CUDA or CPU, or the package's own installer. */
export type Origin = 'cuda' | 'cpu' | 'official';

/** A binding that can be loaded. */
export interface Install {
  readonly origin: Origin;
  /** The set-up's folder, or the package's. */
  readonly folder: string;
  /** The `.node` file. */
  readonly binding: string;
  /** The folder of `@tensorflow/tfjs-node-gpu`: the JavaScript around the binding. */
  readonly packageFolder: string;
}

/** Written last by `haze setup tensorflow`: it marks a complete set-up. */
export interface Manifest {
  readonly kind: Bundle['kind'];
  readonly tensorflow: string;
  readonly wheels: readonly string[];
}

/** The set-ups in order of preference: CUDA's also runs on the CPU if there is no GPU. */
const BUNDLES: readonly Bundle[] = [CUDA, CPU];

/** The best available install, or undefined. */
export function findInstall(
  env: NodeJS.ProcessEnv = process.env,
  bundles: readonly Bundle[] = BUNDLES,
): Install | undefined {
  const cache = cacheFolder(env);
  const packageFolder = findPackage(cache);
  if (!packageFolder) return undefined;
  for (const bundle of bundles) {
    const folder = installFolder(cache, bundle);
    const binding = bindingFile(folder);
    if (readManifest(folder) && existsSync(binding))
      return { origin: bundle.kind, folder, binding, packageFolder };
  }
  const binding = officialBinding(packageFolder);
  if (!binding) return undefined;
  return { origin: 'official', folder: packageFolder, binding, packageFolder };
}

/**
 * @throws UsageError that says how to set it up, or that the platform does not support it, or that others may change
 * the files to load.
 */
export function requireInstall(
  env: NodeJS.ProcessEnv = process.env,
  other = otherPlatform(),
): Install {
  const install = findInstall(env);
  if (install) {
    refuseUnsafeInstall(install, env);
    return install;
  }
  checkPlatform('tensorflow: ', other);
  throw new UsageError(
    'tensorflow is not set up on this machine; run `haze setup tensorflow` ' +
      '(with --cuda for an NVIDIA GPU), or use --device wasm',
  );
}

/** The files of native code and the JavaScript around it. */
const loaded = (install: Install): string[] => [install.binding, install.packageFolder];

/** Who else could change the files of an install; undefined if nobody could. */
export function installDanger(
  install: Install,
  env: NodeJS.ProcessEnv = process.env,
): Danger | undefined {
  const cache = cacheFolder(env);
  return loaded(install)
    .map((file) => dangerOf(cache, file))
    .find((danger) => danger !== undefined);
}

/** @throws UsageError for an install that others may change */
export function refuseUnsafeInstall(install: Install, env: NodeJS.ProcessEnv = process.env): void {
  for (const file of loaded(install)) refuseUnsafe(cacheFolder(env), file);
}

/** The manifest of a set-up, or undefined if it is missing or cannot be read. */
export function readManifest(folder: string): Manifest | undefined {
  try {
    return JSON.parse(readFileSync(manifestFile(folder), 'utf8')) as Manifest;
  } catch {
    return undefined;
  }
}
