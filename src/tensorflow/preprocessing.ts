/** Preprocessing of batches as tfjs operations: the alternative to the kernels. The noise is the same. */

import type { Prepared, Preprocessing } from '../contracts/preprocessing.js';
import type { EvaluationBatch, PartBatch } from '../contracts/trainer.js';
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

  async train({ step, pixels, flips, t, first }: PartBatch): Promise<Prepared> {
    const skipped = (first * pixels.length) / flips.length;
    const noise = this.#random.normals(PURPOSE.trainNoise, step, 0, pixels.length, skipped);
    return this.#noised(pixels, flips, t, noise);
  }

  async evaluate({ images, pixels, t }: EvaluationBatch): Promise<Prepared> {
    const each = pixels.length / images.length;
    const noise = new Float32Array(pixels.length);
    images.forEach((image, i) => {
      noise.set(this.#random.normals(PURPOSE.heldOutNoise, image, 0, each), i * each);
    });
    return this.#noised(pixels, new Uint32Array(images.length), t, noise);
  }

  async dispose(): Promise<void> {}

  #noised(pixels: Uint8Array, flips: Uint32Array, t: Positions, noise: Float32Array): Prepared {
    const x0 = this.#arithmetic.batchToFloat(pixels, flips, this.#shape);
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
