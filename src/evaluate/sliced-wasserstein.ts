/**
 * Sliced Wasserstein distance between patches of images on the levels of a Laplacian pyramid (Karras et al. 2018, section
 * 5): 7x7 patches, each channel normalised over its level, projected onto random directions; the mean distance of
 * the sorted projections. It needs no network, and the levels show at which scale images differ.
 */
import { type CounterRandom, PURPOSE } from '../diffusion/random.js';
import type { Breath } from './breath.js';
import { laplacian, levelSides } from './pyramid.js';

/** A patch's side, patches per image and level, and directions. */
const SIDE = 7;
const PATCHES = 128;
const DIRECTIONS = 512;

/** Directions to project onto at a time. */
const AT_A_TIME = 4;

/** Figures are multiplied by 1,000, as in Karras et al. */
const SCALE = 1000;

export interface SlicedWasserstein {
  /** By level, the finest first: its size in pixels and the distance, times 1,000. */
  readonly levels: readonly { readonly side: number; readonly distance: number }[];
  /** Their mean. */
  readonly mean: number;
  /** Images of each set whose patches were compared. */
  readonly images: number;
}

/** Patches of images of one size, level by level. */
export class Patches {
  readonly sides: readonly number[];
  readonly #size: number;
  readonly #channels: number;
  readonly #most: number;
  readonly #random: CounterRandom;
  /** By level: [image][patch][channel][7][7]. */
  readonly #levels: readonly Float32Array[];
  /** The rank of each image that was added. */
  readonly #ranks: number[] = [];

  /** @param most largest number of images; further ones are ignored */
  constructor(size: number, channels: 1 | 3, most: number, random: CounterRandom) {
    this.sides = levelSides(size);
    this.#size = size;
    this.#channels = channels;
    this.#most = most;
    this.#random = random;
    this.#levels = this.sides.map(() => new Float32Array(most * PATCHES * this.#values));
  }

  get images(): number {
    return this.#ranks.length;
  }

  get #values(): number {
    return SIDE * SIDE * this.#channels;
  }

  /**
   * Adds the patches of an image, u8 [size, size, channels]; the image's `number` determines their positions. Of a set that is
   * larger than the other, the images of the lowest `rank` are compared.
   */
  add(pixels: Uint8Array, number: number, rank: number): void {
    if (this.images === this.#most) return;
    const [n, channels] = [this.#size, this.#channels];
    for (let c = 0; c < channels; c++) {
      const data = new Float32Array(n * n);
      for (let i = 0; i < data.length; i++) data[i] = pixels[i * channels + c]!;
      const planes = laplacian({ side: n, data }, this.sides.length);
      for (const [level, plane] of planes.entries()) this.#cut(level, plane, c, number);
    }
    this.#ranks.push(rank);
  }

  #cut(
    level: number,
    { side, data }: { side: number; data: Float32Array },
    channel: number,
    number: number,
  ): void {
    const words = this.#random.words(PURPOSE.evaluationPatch, number, 2 * PATCHES, level);
    const places = side - SIDE + 1;
    const out = this.#levels[level]!;
    for (let p = 0; p < PATCHES; p++) {
      const top = Math.floor((words[2 * p]! / 2 ** 32) * places);
      const left = Math.floor((words[2 * p + 1]! / 2 ** 32) * places);
      const patch = this.images * PATCHES + p;
      const to = patch * this.#values + channel * SIDE * SIDE;
      for (let y = 0; y < SIDE; y++)
        for (let x = 0; x < SIDE; x++) out[to + y * SIDE + x] = data[(top + y) * side + left + x]!;
    }
  }

  /** The patches of `images` images of the lowest ranks, in the order in which they were added. */
  #lowest(level: number, images: number): Float32Array {
    const each = PATCHES * this.#values;
    const chosen = [...this.#ranks.keys()]
      .sort((a, b) => this.#ranks[a]! - this.#ranks[b]!)
      .slice(0, images)
      .sort((a, b) => a - b);
    const out = new Float32Array(images * each);
    for (const [k, slot] of chosen.entries())
      out.set(this.#levels[level]!.subarray(slot * each, (slot + 1) * each), k * each);
    return out;
  }

  /** The patches of `images` images on a level, each channel with mean 0 and deviation 1. */
  normalised(level: number, images: number): Float32Array {
    const patches = this.#lowest(level, images);
    const each = SIDE * SIDE;
    const groups = patches.length / each;
    for (let c = 0; c < this.#channels; c++) {
      let [sum, squares] = [0, 0];
      for (let g = c; g < groups; g += this.#channels)
        for (let i = g * each; i < (g + 1) * each; i++) sum += patches[i]!;
      const mean = sum / (patches.length / this.#channels);
      for (let g = c; g < groups; g += this.#channels)
        for (let i = g * each; i < (g + 1) * each; i++) squares += (patches[i]! - mean) ** 2;
      // A set of one colour has no deviation: it stays at 0.
      const deviation = Math.sqrt(squares / (patches.length / this.#channels)) || 1;
      for (let g = c; g < groups; g += this.#channels)
        for (let i = g * each; i < (g + 1) * each; i++)
          patches[i] = (patches[i]! - mean) / deviation;
    }
    return patches;
  }
}

/** The distance of two sets of patches of one size, using as many images of each as the smaller has, those of the lowest ranks. */
export async function slicedWasserstein(
  a: Patches,
  b: Patches,
  random: CounterRandom,
  breath: Breath,
  onProgress: (done: number, total: number) => void = () => {},
): Promise<SlicedWasserstein> {
  const images = Math.min(a.images, b.images);
  const levels: { side: number; distance: number }[] = [];
  for (const [level, side] of a.sides.entries()) {
    const [first, second] = [a.normalised(level, images), b.normalised(level, images)];
    const values = first.length / (images * PATCHES);
    const directions = unitVectors(random, level, values);
    let sum = 0;
    for (let d = 0; d < DIRECTIONS; d += AT_A_TIME) {
      const some = directions.subarray(d * values, (d + AT_A_TIME) * values);
      const others = projections(second, some);
      for (const [k, projection] of projections(first, some).entries())
        sum += distance(projection, others[k]!);
      onProgress(level * DIRECTIONS + d + AT_A_TIME, a.sides.length * DIRECTIONS);
      await breath.take();
    }
    levels.push({ side, distance: (SCALE * sum) / DIRECTIONS });
  }
  const mean = levels.reduce((total, { distance }) => total + distance, 0) / levels.length;
  return { levels, mean, images };
}

function unitVectors(random: CounterRandom, level: number, values: number): Float64Array {
  const vectors = Float64Array.from(
    random.normals(PURPOSE.evaluationDirection, level, 0, DIRECTIONS * values),
  );
  for (let d = 0; d < DIRECTIONS; d++) {
    const vector = vectors.subarray(d * values, (d + 1) * values);
    const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    for (let i = 0; i < values; i++) vector[i]! /= length;
  }
  return vectors;
}

/** Projections onto `AT_A_TIME` directions, each sorted. A patch is read once for all of them. */
function projections(patches: Float32Array, directions: Float64Array): Float32Array[] {
  const n = directions.length / AT_A_TIME;
  const count = patches.length / n;
  const [a, b, c, d] = Array.from({ length: AT_A_TIME }, () => new Float32Array(count));
  for (let p = 0; p < count; p++) {
    let [s0, s1, s2, s3] = [0, 0, 0, 0];
    for (let i = 0, at = p * n; i < n; i++, at++) {
      const value = patches[at]!;
      s0 += value * directions[i]!;
      s1 += value * directions[n + i]!;
      s2 += value * directions[2 * n + i]!;
      s3 += value * directions[3 * n + i]!;
    }
    a![p] = s0;
    b![p] = s1;
    c![p] = s2;
    d![p] = s3;
  }
  return [a!, b!, c!, d!].map((projection) => projection.sort());
}

/** Mean |a − b| over equal ranks. */
function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs(a[i]! - b[i]!);
  return sum / a.length;
}
