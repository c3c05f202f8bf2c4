/**
 * A sampler whose U-Net and arithmetic are apart, on any devices: x_t passes between them as an array.
 * Where both are on the engine, `WasmSampler` does the same in one program.
 */

import type { BatchNormMode, NetworkDevice } from '../contracts/device.js';
import type { Sampler } from '../contracts/sampler.js';
import { type CounterRandom, PURPOSE, type Purpose } from '../diffusion/random.js';
import type { Trajectory } from '../diffusion/sampler.js';

/** Takes a reverse step with one row of a trajectory's coefficients. */
export interface ReverseStep {
  reverseStep(
    kernel: Trajectory['kernel'],
    x: Float32Array,
    eps: Float32Array,
    z: Float32Array,
    coefficients: Float32Array,
  ): Float32Array<ArrayBuffer>;
}

export interface SplitSamplerOptions {
  readonly unet: NetworkDevice;
  readonly arithmetic: ReverseStep;
  readonly trajectory: Trajectory;
  readonly norm: BatchNormMode;
  readonly random: CounterRandom;
  /** Values in an image. */
  readonly each: number;
}

export class SplitSampler implements Sampler {
  readonly #options: SplitSamplerOptions;
  #images = new Uint32Array();
  #x = new Float32Array();

  constructor(options: SplitSamplerOptions) {
    this.#options = options;
  }

  get description(): string {
    return this.#options.unet.description;
  }

  get batch(): number {
    return this.#options.unet.batch;
  }

  async start(images: Uint32Array): Promise<void> {
    this.#images = images.slice();
    this.#x = this.#normals(PURPOSE.sampleInit, 0);
  }

  /** Ho et al. (2020), Algorithm 2, lines 2 to 4 (or DDIM's step): z, ε̂, x_{t−1}. */
  async advance(from: number, to: number): Promise<void> {
    const { unet, arithmetic, trajectory, norm } = this.#options;
    const { kernel, timesteps, coefficients, width } = trajectory;
    for (let step = from; step < to; step++) {
      const t = timesteps[step]!;
      const row = coefficients.slice(step * width, (step + 1) * width);
      const input = { xt: this.#x, t: new Int32Array(this.batch).fill(t) };
      const epsilon = await unet.predict(input, norm);
      // A last coefficient of 0 is a step without noise, which reads no z.
      const z = row.at(-1) === 0 ? epsilon : this.#normals(PURPOSE.sampleNoise, t);
      this.#x = arithmetic.reverseStep(kernel, this.#x, epsilon, z, row);
    }
  }

  read(): Float32Array {
    return this.#x.slice();
  }

  async dispose(): Promise<void> {
    await this.#options.unet.dispose();
  }

  #normals(purpose: Purpose, t: number): Float32Array<ArrayBuffer> {
    const { random, each } = this.#options;
    const out = new Float32Array(this.batch * each);
    this.#images.forEach((image, i) => {
      out.set(random.normals(purpose, image, t, each), i * each);
    });
    return out;
  }
}
