/** A sampler with the U-Net on a device that keeps the calling thread busy, and the arithmetic on a pool of workers. */

import type { Sampler } from '../contracts/sampler.js';
import { passesOf } from '../diffusion/guidance.js';
import type { ReversePool } from '../wasm/reverse-pool.js';
import { predictAt, type SplitSamplerOptions } from './split-sampler.js';

export interface PooledSamplerOptions
  extends Pick<SplitSamplerOptions, 'unet' | 'trajectory' | 'norm' | 'condition' | 'guide'> {
  /** With one lane, of the sampler's batch. */
  readonly pool: ReversePool;
}

/** Where `SplitSampler` computes noise and steps on one thread, all workers do here. The bits are the same. */
export class PooledSampler implements Sampler {
  readonly batch: number;
  private readonly options: PooledSamplerOptions;
  private images = new Uint32Array();
  /** x_t of the step, for the device. */
  private readonly xt: Float32Array;
  /** z of the next step, which the workers draw while the device predicts. */
  private drawing: Promise<void> = Promise.resolve();

  constructor(options: PooledSamplerOptions) {
    this.options = options;
    this.xt = new Float32Array(options.pool.values);
    this.batch = options.unet.batch / passesOf(options.condition);
  }

  get description(): string {
    return this.options.unet.description;
  }

  async start(images: Uint32Array): Promise<void> {
    this.images = images.slice();
    await this.drawing;
    await this.options.pool.start(0, this.images);
  }

  /** Ho et al. (2020), Algorithm 2, lines 2 to 4 (or DDIM's step): z and ε̂, then x_{t−1}. */
  async advance(from: number, to: number): Promise<void> {
    const { pool, trajectory } = this.options;
    for (let step = from; step < to; step++) {
      pool.read(0, this.xt);
      const time = trajectory.timesteps[step]!;
      const epsilon = await predictAt(this.options, this.xt, time, this.images);
      await this.drawing;
      await pool.stepAlone(0, step, epsilon);
      this.drawing = pool.draw(0, step + 1);
      this.drawing.catch(() => {}); // Whoever waits for it learns of a failure.
    }
  }

  read(): Float32Array {
    const x = new Float32Array(this.options.pool.values);
    this.options.pool.read(0, x);
    return x;
  }

  write(x: Float32Array): void {
    this.options.pool.write(0, x);
  }

  async dispose(): Promise<void> {
    const { pool, unet, guide } = this.options;
    await Promise.all([pool.destroy(), unet.dispose(), guide?.unet.dispose()]);
  }
}
