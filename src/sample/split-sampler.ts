/**
 * A sampler with U-Net and arithmetic on any two devices: x_t is passed between them as an array.
 * If both are on the engine, `WasmSampler` does the same in one program.
 */

import type { BatchNormMode, NetworkDevice } from '../contracts/device.js';
import type { Sampler } from '../contracts/sampler.js';
import {
  away,
  type Condition,
  guided,
  labelsOfPass,
  passesOf,
  twice,
} from '../diffusion/guidance.js';
import { type CounterRandom, PURPOSE, type Purpose } from '../diffusion/random.js';
import { type ReverseStep, ReverseWalk } from '../diffusion/reverse-walk.js';
import type { Trajectory } from '../diffusion/sampler.js';

/** The part of a network that a sampler uses. */
export type SamplerNetwork = Pick<NetworkDevice, 'batch' | 'description' | 'predict' | 'dispose'>;

export interface SplitSamplerOptions {
  readonly unet: SamplerNetwork;
  readonly arithmetic: ReverseStep;
  readonly trajectory: Trajectory;
  readonly norm: BatchNormMode;
  readonly random: CounterRandom;
  /** Values per image. */
  readonly each: number;
  /** Classes of the images, for a class-conditional network; guidance passes each image through it twice. */
  readonly condition?: Condition | null;
  /** Another network that predictions are guided away from, with W; then the condition does not guide. */
  readonly guide?: { readonly unet: SamplerNetwork; readonly guidance: number } | null;
}

/** The prediction for images of these numbers, all at one timestep: guided if the condition says so. */
export async function predictAt(
  { guide, ...options }: Pick<SplitSamplerOptions, 'unet' | 'norm' | 'condition' | 'guide'>,
  x: Float32Array,
  time: number,
  images: Uint32Array,
): Promise<Float32Array> {
  const output = await predictAlone(options, x, time, images);
  if (!guide) return output;
  const other = await predictAlone({ ...options, unet: guide.unet }, x, time, images);
  return away(guide, output, other);
}

async function predictAlone(
  { unet, norm, condition }: Pick<SplitSamplerOptions, 'unet' | 'norm' | 'condition'>,
  x: Float32Array,
  time: number,
  images: Uint32Array,
): Promise<Float32Array> {
  const t = new Float32Array(unet.batch).fill(time);
  if (!condition) return unet.predict({ xt: x, t }, norm);
  const labels = labelsOfPass(condition, images);
  if (passesOf(condition) === 1) return unet.predict({ xt: x, t, labels }, norm);
  return guided(condition, await unet.predict({ xt: twice(x), t, labels }, norm));
}

export class SplitSampler implements Sampler {
  readonly #options: SplitSamplerOptions;
  #images = new Uint32Array();
  #walk: ReverseWalk | undefined;

  constructor(options: SplitSamplerOptions) {
    this.#options = options;
  }

  get description(): string {
    return this.#options.unet.description;
  }

  get batch(): number {
    return this.#options.unet.batch / passesOf(this.#options.condition);
  }

  async start(images: Uint32Array): Promise<void> {
    this.#images = images.slice();
    const { trajectory, arithmetic, each } = this.#options;
    const noise = this.#normals(PURPOSE.sampleInit, 0);
    this.#walk = new ReverseWalk(trajectory, arithmetic, noise, each);
  }

  /** Ho et al. (2020), Algorithm 2, lines 2 to 4 (or DDIM's step): z, ε̂, x_{t−1}. */
  async advance(from: number, to: number): Promise<void> {
    const { trajectory } = this.#options;
    const walk = this.#walk!;
    for (let step = from; step < to; step++) {
      const output = await predictAt(
        this.#options,
        walk.x,
        trajectory.timesteps[step]!,
        this.#images,
      );
      if (!walk.isNoisy(step)) walk.step(step, output);
      else walk.step(step, output, this.#normals(PURPOSE.sampleNoise, trajectory.streams[step]!));
    }
  }

  read(): Float32Array {
    return this.#walk!.x.slice();
  }

  write(x: Float32Array): void {
    this.#walk!.x = Float32Array.from(x);
  }

  async dispose(): Promise<void> {
    await this.#options.unet.dispose();
    await this.#options.guide?.unet.dispose();
  }

  #normals(purpose: Purpose, stream: number): Float32Array<ArrayBuffer> {
    const { random, each } = this.#options;
    const out = new Float32Array(this.batch * each);
    this.#images.forEach((image, i) => {
      out.set(random.normals(purpose, image, stream, each), i * each);
    });
    return out;
  }
}
