import type { Mixture } from '../diffusion/mixture.js';
import { PURPOSE } from '../diffusion/random.js';
import type { Arena } from '../engine/arena.js';
import type { Engine } from '../engine/engine.js';
import type { Pointer } from '../engine/pointer.js';
import { type Call, call, type Section } from '../engine/program.js';
import { splitSeed } from '../engine/seed.js';

/** Inputs and outputs of a batch's preprocessing; byte addresses. */
export interface BatchMemory {
  readonly batch: number;
  readonly size: number;
  readonly channels: number;
  /** u8 [batch, size, size, channels], as decoded. */
  readonly pixels: Pointer;
  readonly flips: Pointer;
  /** u32 image numbers, for their noise; and a 0, the timestep of noise without one. */
  readonly images: Pointer;
  readonly zero: Pointer;
  /** u32 [1], the index of the first image in its step. */
  readonly first: Pointer;
  readonly x0: Pointer;
  /** f32 [batch], the mixture: of x_0 and ε in x_t, then in the target. */
  readonly shares: readonly [Pointer, Pointer, Pointer, Pointer];
  /** u32 [batch], 0, 1, 2 …: each image's index in these. */
  readonly places: Pointer;
  /** Outputs, where the U-Net reads them: x_t, and ε, which becomes the target. */
  readonly xt: Pointer;
  readonly noise: Pointer;
}

/** Where the U-Net reads its inputs. */
export type BatchTargets = Pick<BatchMemory, 'xt' | 'noise'>;

/** Lays out the inputs of the preprocessing beside the U-Net. */
export function planBatch(
  arena: Arena,
  shape: Pick<BatchMemory, 'batch' | 'size' | 'channels'>,
  { xt, noise }: BatchTargets,
): BatchMemory {
  const { batch, size, channels } = shape;
  const dense = batch * size ** 2 * channels;
  const share = () => arena.floats('tables', batch);
  return {
    ...{ batch, size, channels, xt, noise },
    pixels: arena.bytes('images', dense),
    flips: arena.bytes('tables', 4 * batch),
    images: arena.bytes('tables', 4 * batch),
    zero: arena.bytes('tables', 4),
    first: arena.bytes('tables', 4),
    x0: arena.floats('images', dense),
    shares: [share(), share(), share(), share()],
    places: arena.bytes('tables', 4 * batch),
  };
}

/** The source of ε: one stream per step for training, one per image for held-out images. */
export type NoiseSource = 'step' | 'image';

/** What is predicted: ε itself, or a mixture of it with x_0. */
export type Target = 'noise' | 'mixture';

/**
 * u8 images → x_0 in [−1, 1], mirrored if flipped; ε from the seed's stream; x_t = α·x_0 + σ·ε; the target.
 * With `step` the stream's index is the current step.
 */
export function batchSection(
  memory: BatchMemory,
  seed: number,
  source: NoiseSource,
  target: Target,
): Section {
  const { batch, size, channels } = memory;
  const each = size * size * channels;
  const { x0, pixels, flips, xt, noise, shares, places } = memory;
  const mix = (out: Pointer, signal: Pointer, share: Pointer): Call =>
    call('qSampleImages', [out, x0, noise, signal, share, places, each], batch * each, {
      grain: 4,
    });
  return {
    name: 'data',
    phases: [
      [
        call('batchToFloat', [x0, pixels, flips, size, size, channels], batch * size),
        noiseCall(memory, each, seed, source),
      ],
      [mix(xt, shares[0], shares[1])],
      // After x_t, which depends on ε too.
      ...(target === 'mixture' ? [[mix(noise, shares[2], shares[3])]] : []),
    ],
  };
}

function noiseCall(memory: BatchMemory, each: number, seed: number, source: NoiseSource): Call {
  const [low, high] = splitSeed(seed);
  const { batch, noise, images, zero, first } = memory;
  const values = batch * each;
  const step = { base: 0, perStep: 1 };
  return source === 'step'
    ? call('gaussianFrom', [noise, first, each, low, high, PURPOSE.trainNoise, step], values, {
        grain: 4,
      })
    : call('gaussianImages', [noise, images, zero, each, low, high, PURPOSE.heldOutNoise], values, {
        grain: 4,
      });
}

/** The input of `writeBatch`. */
export interface BatchInput {
  readonly pixels: Uint8Array;
  readonly mixture: Mixture;
  /** Without them nothing is mirrored. */
  readonly flips?: Uint32Array;
  readonly images?: Uint32Array;
  /** The index of the first image in its step; default 0. */
  readonly first?: number;
}

/** Copies a batch into shared memory, before the program runs. */
export function writeBatch(engine: Engine, memory: BatchMemory, batch: BatchInput): void {
  const { buffer } = engine.memory;
  const words = (at: Pointer) => new Uint32Array(buffer, at, memory.batch);
  new Uint8Array(buffer, memory.pixels, batch.pixels.length).set(batch.pixels);
  const { signal, noise, target } = batch.mixture;
  const shares = [signal, noise, target?.signal, target?.noise];
  for (const [i, values] of shares.entries())
    if (values) engine.floats(memory.shares[i]!, memory.batch).set(values);
  words(memory.places).forEach((_, i, places) => {
    places[i] = i;
  });
  new Uint32Array(buffer, memory.first, 1)[0] = batch.first ?? 0;
  if (batch.flips) words(memory.flips).set(batch.flips);
  else words(memory.flips).fill(0);
  if (batch.images) words(memory.images).set(batch.images);
}
