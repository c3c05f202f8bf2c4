/**
 * What the bits of an image depend on beside its job's data: the version, the kernels, and the processor's rounding where the kernels
 * leave it open. Each build has its own queue, so a worker never sees jobs of another build.
 */
import { bestBuild, fusesMultiplyAdd, hashKernels } from '../engine/host/kernels.js';
import type { Build } from '../engine/module.js';
import { version } from '../version.js';
import type { KindName } from './kinds.js';

/** `0.1.0-relaxed-1a2b3c4d5e6f`, or `…-relaxed-unfused-…` on a processor that rounds products first. */
export function buildId(strict: boolean): string {
  const build = kernelBuild(strict);
  const unfused = build === 'relaxed' && !fusesMultiplyAdd() ? '-unfused' : '';
  return `${version()}-${build}${unfused}-${hashKernels(build).slice(0, 12)}`;
}

/** The kernels used here. 256-bit vectors give the same bits, so each worker decides about them itself. */
export const kernelBuild = (strict: boolean): Build => (strict ? 'strict' : bestBuild());

/** BullMQ's name for a queue of image jobs, or of those that train. */
export const queueOf = (build: string, kind: KindName = 'generate'): string => `${kind}-${build}`;
