import { EngineError } from '../../errors.js';
import type { Build } from '../module.js';
import { hasRelaxedSimd } from './relaxed-probe.js';

/** The build that this worker has loaded: the relaxed one if the browser supports it. */
let loaded: { readonly build: Build; readonly module: WebAssembly.Module } | undefined;

/**
 * Compiles the kernels, once per worker and before anything else of the engine is used: browsers do not compile modules of this
 * size synchronously.
 * @param read the bytes of a build
 * @throws EngineError if the browser lacks SIMD or threads; errors of `read`
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
      `this browser cannot compile the kernels (WebAssembly with SIMD): ${why}`,
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

/** @throws EngineError for the build that is not loaded */
export function loadedKernels(build: Build): WebAssembly.Module {
  if (loaded?.build !== build) throw new EngineError(`the ${build} kernels are not loaded`);
  return loaded.module;
}
