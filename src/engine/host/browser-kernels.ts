import { EngineError } from '../../errors.js';
import type { Build } from '../module.js';
import { hasRelaxedSimd } from './relaxed-probe.js';

/** The one build that this worker has: the relaxed one where the browser takes it. */
let loaded: { readonly build: Build; readonly module: WebAssembly.Module } | undefined;

/**
 * Compiles the kernels, once a worker and before anything else of the engine is used: a browser compiles none of this size while
 * others wait.
 * @param read the bytes of a build
 * @throws EngineError where the browser has no SIMD or no threads; what `read` throws
 */
export async function loadKernels(read: (build: Build) => Promise<Uint8Array>): Promise<Build> {
  if (loaded) return loaded.build;
  const build = hasRelaxedSimd() ? 'relaxed' : 'strict';
  const bytes = await read(build);
  try {
    loaded = { build, module: await WebAssembly.compile(bytes) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new EngineError(
      `this browser does not take the kernels (WebAssembly with SIMD): ${why}`,
      {
        cause,
      },
    );
  }
  return build;
}

/** @throws EngineError before `loadKernels` */
export function loadedBuild(): Build {
  if (!loaded) throw new EngineError('the kernels are not loaded');
  return loaded.build;
}

/** @throws EngineError for the build that was not loaded */
export function loadedKernels(build: Build): WebAssembly.Module {
  if (loaded?.build !== build) throw new EngineError(`the ${build} kernels are not loaded`);
  return loaded.module;
}
