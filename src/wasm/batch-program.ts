import { PURPOSE } from '../diffusion/random.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { Arena } from '../engine/arena.js';
import type { Engine } from '../engine/engine.js';
import type { Pointer } from '../engine/pointer.js';
import { type Call, call, type Section } from '../engine/program.js';
import { splitSeed } from '../engine/seed.js';

/** What the preprocessing of a batch reads and writes; byte addresses. */
export interface BatchMemory {
  readonly batch: number;
  readonly size: number;
  readonly channels: number;
  /** u8 [batch, size, size, channels], as decoded. */
  readonly pixels: Pointer;
  readonly flips: Pointer;
  /** u32 numbers of the images, for their noise; and a 0, the timestep of noise that has none. */
  readonly images: Pointer;
  readonly zero: Pointer;
  readonly x0: Pointer;
  readonly sqrtAlphaBar: Pointer;
  readonly sqrtOneMinusAlphaBar: Pointer;
  /** Outputs, where the U-Net reads them: x_t, ε, and the timesteps. */
  readonly xt: Pointer;
  readonly noise: Pointer;
  readonly t: Pointer;
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
    images: arena.bytes('tables', 4 * shape.batch),
    zero: arena.bytes('tables', 4),
    x0: arena.floats('images', dense),
    sqrtAlphaBar: arena.floats('tables', shape.timesteps),
    sqrtOneMinusAlphaBar: arena.floats('tables', shape.timesteps),
  };
}

/** Where ε comes from: one stream a step for training, one an image for images that are kept aside. */
export type NoiseSource = 'step' | 'image';

/**
 * u8 images → x_0 in [−1, 1], mirrored where asked; ε of the seed's stream; x_t = q(x_t|x_0).
 * With `step` the stream's index is the step that is run.
 */
export function batchSection(memory: BatchMemory, seed: number, source: NoiseSource): Section {
  const { batch, size, channels } = memory;
  const each = size * size * channels;
  const { x0, pixels, flips, xt, noise, sqrtAlphaBar, sqrtOneMinusAlphaBar, t } = memory;
  const noised = [xt, x0, noise, sqrtAlphaBar, sqrtOneMinusAlphaBar, t, each] as const;
  return {
    name: 'data',
    phases: [
      [
        call('batchToFloat', [x0, pixels, flips, size, size, channels], batch * size),
        noiseCall(memory, each, seed, source),
      ],
      [call('qSampleImages', noised, batch * each, { grain: 4 })],
    ],
  };
}

function noiseCall(memory: BatchMemory, each: number, seed: number, source: NoiseSource): Call {
  const [low, high] = splitSeed(seed);
  const { batch, noise, images, zero } = memory;
  const values = batch * each;
  const step = { base: 0, perStep: 1 };
  return source === 'step'
    ? call('gaussian', [noise, low, high, PURPOSE.trainNoise, step, 0], values, { grain: 4 })
    : call('gaussianImages', [noise, images, zero, each, low, high, PURPOSE.heldOutNoise], values, {
        grain: 4,
      });
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
  batch: { pixels: Uint8Array; t: Int32Array; flips?: Uint32Array; images?: Uint32Array },
): void {
  const { buffer } = engine.memory;
  new Uint8Array(buffer, memory.pixels, batch.pixels.length).set(batch.pixels);
  new Uint32Array(buffer, memory.t, memory.batch).set(batch.t);
  const flips = new Uint32Array(buffer, memory.flips, memory.batch);
  if (batch.flips) flips.set(batch.flips);
  else flips.fill(0);
  if (batch.images) new Uint32Array(buffer, memory.images, memory.batch).set(batch.images);
}
