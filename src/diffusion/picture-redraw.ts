import { type CounterRandom, PURPOSE, type Purpose } from './random.js';
import { beginsWithPicture, type Redrawing } from './redraw.js';
import type { Trajectory } from './sampler.js';

/** Redraws a picture along a trajectory that was made for it, for images of any numbers. */
export class PictureRedraw {
  readonly #redrawing: Redrawing;
  readonly #levels: NonNullable<Trajectory['levels']>;
  readonly #random: CounterRandom;

  constructor(redrawing: Redrawing, { levels }: Trajectory, random: CounterRandom) {
    this.#redrawing = redrawing;
    this.#levels = levels!;
    this.#random = random;
  }

  /** Whether something is done after each step. */
  get masks(): boolean {
    return this.#redrawing.mask !== null;
  }

  /** Adds the picture to the noise that images begin with: x_t = α·x_0 + σ·ε. */
  begin(x: Float32Array): void {
    const { picture } = this.#redrawing;
    if (!beginsWithPicture(this.#redrawing)) return;
    const { alpha } = this.#levels[0]!.from;
    for (let i = 0; i < x.length; i++) x[i]! += alpha * picture[i % picture.length]!;
  }

  /**
   * Lugmayr et al. 2022, Algorithm 1, after a row of the trajectory: what is kept is the picture with the noise of the moment
   * that the row reaches, and if the row comes once more, x is given the noise of the moment before it.
   */
  after(row: number, x: Float32Array, images: Uint32Array): void {
    const { mask, picture } = this.#redrawing;
    if (!mask) return;
    const { from, to } = this.#levels[row]!;
    this.#mix(x, images, { purpose: PURPOSE.keptNoise, row, noise: to.sigma }, (value, z, i) =>
      mask[i] ? value : to.alpha * picture[i]! + z,
    );
    if (this.#levels[row + 1] !== this.#levels[row]) {
      if (row + 1 === this.#levels.length) keepPicture(x, picture, mask);
      return;
    }
    const kept = from.alpha / to.alpha;
    const noise = Math.sqrt(Math.max(0, from.sigma ** 2 - (kept * to.sigma) ** 2));
    this.#mix(x, images, { purpose: PURPOSE.resampleNoise, row, noise }, (v, z) => kept * v + z);
  }

  /** Each value by what `mixed` makes of it, its noise and its place in the image. */
  #mix(
    x: Float32Array,
    images: Uint32Array,
    { purpose, row, noise }: { purpose: Purpose; row: number; noise: number },
    mixed: (value: number, z: number, i: number) => number,
  ): void {
    const each = this.#redrawing.picture.length;
    images.forEach((image, k) => {
      const z = noise === 0 ? null : this.#random.normals(purpose, image, row, each);
      for (let i = 0; i < each; i++)
        x[k * each + i] = mixed(x[k * each + i]!, z ? noise * z[i]! : 0, i);
    });
  }
}

/** Puts what a mask keeps of the picture in its place in each image of x, where the last step has left noise. */
export function keepPicture(x: Float32Array, picture: Float32Array, mask: Uint8Array): void {
  for (let i = 0; i < x.length; i++)
    if (!mask[i % mask.length]) x[i] = picture[i % picture.length]!;
}
