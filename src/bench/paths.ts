/** Haze's own paths on this machine. */
import { threadCount } from '../config/computing.js';
import { bestBuild, wideByDefault } from '../engine/host/kernels.js';
import type { Build } from '../engine/module.js';
import { findInstall } from '../tensorflow/locate.js';
import type { BenchOptions } from './options.js';
import type { Path } from './result.js';

/** One way to run the wasm engine. */
export interface Variant {
  readonly build: Build;
  readonly wide: boolean;
  readonly threads: number;
}

/** The engine's variants: the default first, then one thread, then the strict build. */
export function variants({ computing }: Pick<BenchOptions, 'computing'>): Variant[] {
  const threads = threadCount(computing);
  const build = computing.strict ? 'strict' : bestBuild();
  const wide = computing.wide ?? wideByDefault();
  return [
    { build, wide, threads },
    ...(threads > 1 ? [{ build, wide, threads: 1 }] : []),
    ...(build === 'relaxed' ? [{ build: 'strict' as const, wide, threads }] : []),
  ];
}

/** Why TensorFlow's paths cannot be measured, or null if they can. */
export const tensorflowMissing = (): string | null =>
  findInstall() ? null : 'not set up: haze setup tensorflow';

/** A path of Haze itself. */
export const ours = (path: Omit<Path, 'by'>): Path => ({ by: 'haze', ...path });
