import type { Sampler } from '../contracts/sampler.js';
import { PictureRedraw } from '../diffusion/picture-redraw.js';
import type { CounterRandom } from '../diffusion/random.js';
import type { Redrawing } from '../diffusion/redraw.js';
import type { Trajectory } from '../diffusion/sampler.js';

/** A sampler that redraws a picture, on any device: another one draws, and x is changed between its steps. */
export class RedrawingSampler implements Sampler {
  readonly #sampler: Sampler;
  readonly #redraw: PictureRedraw;
  #images = new Uint32Array();

  /** @param trajectory the sampler's, made for the picture */
  constructor(
    sampler: Sampler,
    redrawing: Redrawing,
    trajectory: Trajectory,
    random: CounterRandom,
  ) {
    this.#sampler = sampler;
    this.#redraw = new PictureRedraw(redrawing, trajectory, random);
  }

  get description(): string {
    return this.#sampler.description;
  }

  get batch(): number {
    return this.#sampler.batch;
  }

  async start(images: Uint32Array): Promise<void> {
    this.#images = images.slice();
    await this.#sampler.start(images);
    this.#change((x) => this.#redraw.begin(x));
  }

  async advance(from: number, to: number): Promise<void> {
    if (!this.#redraw.masks) return this.#sampler.advance(from, to);
    for (let row = from; row < to; row++) {
      await this.#sampler.advance(row, row + 1);
      this.#change((x) => this.#redraw.after(row, x, this.#images));
    }
  }

  read(): Float32Array {
    return this.#sampler.read();
  }

  write(x: Float32Array): void {
    this.#sampler.write(x);
  }

  dispose(): Promise<void> {
    return this.#sampler.dispose();
  }

  #change(change: (x: Float32Array) => void): void {
    const x = this.#sampler.read();
    change(x);
    this.#sampler.write(x);
  }
}
