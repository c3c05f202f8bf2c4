/** Preprocessing of batches as tfjs operations: the alternative to the kernels. The noise is the same. */

import type { Prepared, Preprocessing } from '../contracts/preprocessing.js';
import type { BatchImages, EvaluationBatch, PartBatch } from '../contracts/trainer.js';
import { mixture, type Positions, type Weights } from '../diffusion/mixture.js';
import { type CounterRandom, PURPOSE } from '../diffusion/random.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { ImageShape } from '../engine/arithmetic.js';
import type { TensorflowArithmetic } from './arithmetic.js';

export class TensorflowPreprocessing implements Preprocessing {
  /** Its tensors exist for one call. */
  readonly memoryBytes = 0;
  readonly apart = false;
  readonly #arithmetic: TensorflowArithmetic;
  readonly #schedule: Schedule;
  readonly #random: CounterRandom;
  readonly #shape: ImageShape;
  readonly #lossWeights: Weights;

  constructor(
    arithmetic: TensorflowArithmetic,
    schedule: Schedule,
    random: CounterRandom,
    shape: ImageShape,
    lossWeights: Weights = null,
  ) {
    this.#arithmetic = arithmetic;
    this.#schedule = schedule;
    this.#random = random;
    this.#shape = shape;
    this.#lossWeights = lossWeights;
  }

  async train({ step, t, first, ...images }: PartBatch): Promise<Prepared> {
    const { length } = images.latents ?? images.pixels;
    const skipped = (first * length) / t.length;
    const noise = this.#random.normals(PURPOSE.trainNoise, step, 0, length, skipped);
    return this.#noised(images, t, noise);
  }

  async evaluate({ images: numbers, t, ...images }: EvaluationBatch): Promise<Prepared> {
    const { length } = images.latents ?? images.pixels;
    const each = length / numbers.length;
    const noise = new Float32Array(length);
    numbers.forEach((number, i) => {
      noise.set(this.#random.normals(PURPOSE.heldOutNoise, number, 0, each), i * each);
    });
    return this.#noised(images, t, noise);
  }

  async dispose(): Promise<void> {}

  #noised({ pixels, flips, latents }: BatchImages, t: Positions, noise: Float32Array): Prepared {
    const x0 =
      latents ??
      this.#arithmetic.batchToFloat(pixels, flips ?? new Uint32Array(t.length), this.#shape);
    const mixed = mixture(this.#schedule, t, this.#lossWeights);
    const places = Int32Array.from(t, (_, i) => i);
    const mix = (shares: { signal: Float32Array; noise: Float32Array }) => {
      const tables = { sqrtAlphaBar: shares.signal, sqrtOneMinusAlphaBar: shares.noise };
      return this.#arithmetic.qSampleImages(x0, noise, tables, places);
    };
    const target = mixed.target ? mix(mixed.target) : noise;
    return { xt: mix(mixed), noise: target, mixture: mixed };
  }
}
