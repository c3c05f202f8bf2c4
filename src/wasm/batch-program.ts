import type { BatchImages } from '../contracts/trainer.js';
import type { Mixture } from '../diffusion/mixture.js';
import { PURPOSE } from '../diffusion/random.js';
import type { Arena } from '../engine/arena.js';
import type { Engine } from '../engine/engine.js';
import type { Pointer } from '../engine/pointer.js';
import { type Call, call, type Section } from '../engine/program.js';
import { splitSeed } from '../engine/seed.js';
import { ShapeError } from '../errors.js';

/** Inputs and outputs of a batch's preprocessing; byte addresses. */
export interface BatchMemory {
  readonly batch: number;
  readonly size: number;
  readonly channels: number;
  /** u8 [batch, size, size, channels], as decoded, and which of them are mirrored; null for latents, which are put into x_0. */
  readonly decoded: { readonly pixels: Pointer; readonly flips: Pointer } | null;
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

/** A batch's shape, and whether its images are latents. */
export interface BatchShape extends Pick<BatchMemory, 'batch' | 'size' | 'channels'> {
  /** Default false. */
  readonly latents?: boolean;
}

/** Lays out the inputs of the preprocessing beside the U-Net. */
export function planBatch(
  arena: Arena,
  { batch, size, channels, latents = false }: BatchShape,
  { xt, noise }: BatchTargets,
): BatchMemory {
  const dense = batch * size ** 2 * channels;
  const share = () => arena.floats('tables', batch);
  return {
    ...{ batch, size, channels, xt, noise },
    decoded: latents
      ? null
      : { pixels: arena.bytes('images', dense), flips: arena.bytes('tables', 4 * batch) },
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
 * u8 images → x_0 in [−1, 1], mirrored if flipped, unless x_0 are latents; ε from the seed's stream; x_t = α·x_0 + σ·ε; the target.
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
  const { x0, decoded, xt, noise, shares, places } = memory;
  const mix = (out: Pointer, signal: Pointer, share: Pointer): Call =>
    call('qSampleImages', [out, x0, noise, signal, share, places, each], batch * each, {
      grain: 4,
    });
  return {
    name: 'data',
    phases: [
      [...(decoded ? [floatCall(memory, decoded)] : []), noiseCall(memory, each, seed, source)],
      [mix(xt, shares[0], shares[1])],
      // After x_t, which depends on ε too.
      ...(target === 'mixture' ? [[mix(noise, shares[2], shares[3])]] : []),
    ],
  };
}

function floatCall(
  { batch, size, channels, x0 }: BatchMemory,
  { pixels, flips }: NonNullable<BatchMemory['decoded']>,
): Call {
  return call('batchToFloat', [x0, pixels, flips, size, size, channels], batch * size);
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
export type BatchInput = BatchImages & {
  readonly mixture: Mixture;
  readonly images?: Uint32Array;
  /** The index of the first image in its step; default 0. */
  readonly first?: number;
};

/** Copies a batch into shared memory, before the program runs. @throws ShapeError for pixels instead of latents, or the reverse */
export function writeBatch(engine: Engine, memory: BatchMemory, batch: BatchInput): void {
  const { buffer } = engine.memory;
  const words = (at: Pointer) => new Uint32Array(buffer, at, memory.batch);
  writeImages(engine, memory, batch);
  const { signal, noise, target } = batch.mixture;
  const shares = [signal, noise, target?.signal, target?.noise];
  for (const [i, values] of shares.entries())
    if (values) engine.floats(memory.shares[i]!, memory.batch).set(values);
  words(memory.places).forEach((_, i, places) => {
    places[i] = i;
  });
  new Uint32Array(buffer, memory.first, 1)[0] = batch.first ?? 0;
  if (batch.images) words(memory.images).set(batch.images);
}

function writeImages(engine: Engine, { decoded, x0, batch }: BatchMemory, images: BatchImages) {
  const { pixels, flips, latents } = images;
  if ((decoded === null) !== (latents !== undefined))
    throw new ShapeError(
      `batch: expected ${decoded ? 'pixels, got latents' : 'latents, got pixels'}`,
    );
  if (latents) engine.floats(x0, latents.length).set(latents);
  if (!decoded || !pixels) return;
  const { buffer } = engine.memory;
  new Uint8Array(buffer, decoded.pixels, pixels.length).set(pixels);
  const mirrored = new Uint32Array(buffer, decoded.flips, batch);
  if (flips) mirrored.set(flips);
  else mirrored.fill(0);
}
