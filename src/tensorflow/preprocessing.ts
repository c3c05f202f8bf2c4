/** Preprocessing of batches as tfjs operations: the second path beside the kernels. The noise is the same. */

import type { Prepared, Preprocessing } from '../contracts/preprocessing.js';
import type { EvaluationBatch, TrainBatch } from '../contracts/trainer.js';
import { type CounterRandom, PURPOSE } from '../diffusion/random.js';
import type { Schedule } from '../diffusion/schedule.js';
import type { ImageShape } from '../engine/arithmetic.js';
import type { TensorflowArithmetic } from './arithmetic.js';

export class TensorflowPreprocessing implements Preprocessing {
  /** Its tensors live for one call. */
  readonly memoryBytes = 0;
  readonly #arithmetic: TensorflowArithmetic;
  readonly #schedule: Schedule;
  readonly #random: CounterRandom;
  readonly #shape: ImageShape;

  constructor(
    arithmetic: TensorflowArithmetic,
    schedule: Schedule,
    random: CounterRandom,
    shape: ImageShape,
  ) {
    this.#arithmetic = arithmetic;
    this.#schedule = schedule;
    this.#random = random;
    this.#shape = shape;
  }

  async train({ step, pixels, flips, t }: TrainBatch): Promise<Prepared> {
    const noise = this.#random.normals(PURPOSE.trainNoise, step, 0, pixels.length);
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

  #noised(pixels: Uint8Array, flips: Uint32Array, t: Int32Array, noise: Float32Array): Prepared {
    const x0 = this.#arithmetic.batchToFloat(pixels, flips, this.#shape);
    return { xt: this.#arithmetic.qSampleImages(x0, noise, this.#schedule, t), noise };
  }
}
