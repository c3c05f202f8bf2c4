import type { Schedule } from '../diffusion/schedule.js';
import type { Arena } from './arena.js';
import type { Engine } from './engine.js';
import type { Argument, Section } from './program.js';

/** What the preprocessing of a batch reads and writes; byte addresses. */
export interface BatchMemory {
  readonly batch: number;
  readonly size: number;
  readonly channels: number;
  /** u8 [batch, size, size, channels], as decoded. */
  readonly pixels: number;
  readonly flips: number;
  readonly x0: number;
  readonly sqrtAlphaBar: number;
  readonly sqrtOneMinusAlphaBar: number;
  /** Outputs, where the U-Net reads them: x_t, ε, and the timesteps. */
  readonly xt: number;
  readonly noise: number;
  readonly t: number;
}

/** Where the U-Net wants its inputs. */
export type BatchTargets = Pick<BatchMemory, 'xt' | 'noise' | 't'>;

/** Lays out the inputs of the preprocessing beside the U-Net. */
export function planBatch(
  arena: Arena,
  shape: Pick<BatchMemory, 'batch' | 'size' | 'channels'> & { timesteps: number },
  targets: BatchTargets,
): BatchMemory {
  const dense = shape.batch * shape.size ** 2 * shape.channels;
  return {
    ...shape,
    ...targets,
    pixels: arena.bytes('images', dense),
    flips: arena.bytes('tables', 4 * shape.batch),
    x0: arena.floats('images', dense),
    sqrtAlphaBar: arena.floats('tables', shape.timesteps),
    sqrtOneMinusAlphaBar: arena.floats('tables', shape.timesteps),
  };
}

/** A seed as the two 32-bit words of the generator's key. */
export const seedWords = (seed: number): [low: number, high: number] => [
  seed >>> 0,
  Math.floor(seed / 2 ** 32) >>> 0,
];

/**
 * u8 images → x_0 in [−1, 1], mirrored where asked; ε from the stream (purpose, the step run); x_t = q(x_t|x_0).
 */
export function batchSection(memory: BatchMemory, seed: number, purpose: number): Section {
  const { batch, size, channels } = memory;
  const each = size * size * channels;
  const index: Argument = { base: 0, perStep: 1 };
  return {
    name: 'data',
    phases: [
      [
        {
          kernel: 'batchToFloat',
          args: [memory.x0, memory.pixels, memory.flips, size, size, channels],
          items: batch * size,
        },
        {
          kernel: 'gaussian',
          args: [memory.noise, ...seedWords(seed), purpose, index, 0],
          items: batch * each,
          grain: 4,
        },
      ],
      [
        {
          kernel: 'qSampleImages',
          args: [
            memory.xt,
            memory.x0,
            memory.noise,
            memory.sqrtAlphaBar,
            memory.sqrtOneMinusAlphaBar,
            memory.t,
            each,
          ],
          items: batch * each,
          grain: 4,
        },
      ],
    ],
  };
}

/** Puts the schedule's tables where the kernels read them. */
export function writeSchedule(engine: Engine, memory: BatchMemory, schedule: Schedule): void {
  engine.floats(memory.sqrtAlphaBar, schedule.timesteps).set(schedule.sqrtAlphaBar);
  engine.floats(memory.sqrtOneMinusAlphaBar, schedule.timesteps).set(schedule.sqrtOneMinusAlphaBar);
}

/** Copies a batch into shared memory, before the program runs. Without `flips` nothing is mirrored. */
export function writeBatch(
  engine: Engine,
  memory: BatchMemory,
  batch: { pixels: Uint8Array; t: Uint32Array; flips?: Uint32Array },
): void {
  const { buffer } = engine.memory;
  new Uint8Array(buffer, memory.pixels, batch.pixels.length).set(batch.pixels);
  new Uint32Array(buffer, memory.t, memory.batch).set(batch.t);
  const flips = new Uint32Array(buffer, memory.flips, memory.batch);
  if (batch.flips) flips.set(batch.flips);
  else flips.fill(0);
}
