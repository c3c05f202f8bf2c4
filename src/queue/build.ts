/**
 * What the bits of an image depend on beside its job's data: the version, the kernels, and how the processor rounds what they leave
 * to it. Jobs lie in a queue of their build, so that a worker of another never sees them.
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

/** The kernels that compute here. Vectors of 256 bits give the same bits, so each worker has its own say in them. */
export const kernelBuild = (strict: boolean): Build => (strict ? 'strict' : bestBuild());

/** BullMQ's name of a queue of jobs: those that make images, or those that train. */
export const queueOf = (build: string, kind: KindName = 'generate'): string => `${kind}-${build}`;
