/**
 * The kernel distance (Bińkowski et al. 2018): the unbiased estimate of the squared maximum mean discrepancy with the kernel
 * (x·y/features + 1)³, over all images at once and over random subsets, whose spread shows its uncertainty.
 */
import { type CounterRandom, PURPOSE } from '../diffusion/random.js';

export interface KernelDistance {
  /** Over all images. */
  readonly all: number;
  /** Mean and standard deviation over the subsets. */
  readonly mean: number;
  readonly deviation: number;
  readonly subsets: number;
  readonly subsetSize: number;
}

export interface SubsetOptions {
  readonly subsets: number;
  /** Images per subset from each set; fewer if a set has fewer. */
  readonly subsetSize: number;
}

/** The subsets that each image is in, one bit per subset. */
interface Membership {
  readonly words: number;
  readonly bits: Uint32Array;
}

const SAMPLES = 0;
const REFERENCE = 1;

/** Sums of the kernel over pairs: of all, and of those within a subset. */
class Sums {
  all = 0;
  readonly #subsets: Float64Array;
  readonly #features: number;

  constructor(features: number, subsets: number) {
    this.#features = features;
    this.#subsets = new Float64Array(subsets);
  }

  add(dot: number, a: Membership, i: number, b: Membership, j: number): void {
    const value = (dot / this.#features + 1) ** 3;
    this.all += value;
    for (let w = 0; w < a.words; w++) {
      let both = (a.bits[i * a.words + w]! & b.bits[j * b.words + w]!) >>> 0;
      while (both !== 0) {
        const bit = 31 - Math.clz32(both);
        this.#subsets[32 * w + bit]! += value;
        both = (both & ~(1 << bit)) >>> 0;
      }
    }
  }

  subset(s: number): number {
    return this.#subsets[s]!;
  }
}

/** Takes pairs in any order; every pair once. */
export class KernelDistanceSums {
  readonly #counts: readonly [number, number];
  readonly #subsets: number;
  readonly #size: number;
  readonly #members: readonly [Membership, Membership];
  readonly #own: readonly [Sums, Sums];
  readonly #across: Sums;

  constructor(
    counts: readonly [samples: number, reference: number],
    features: number,
    { subsets, subsetSize }: SubsetOptions,
    random: CounterRandom,
  ) {
    this.#counts = counts;
    this.#subsets = subsets;
    this.#size = Math.min(subsetSize, ...counts);
    const members = (set: number) => membership(random, set, counts[set]!, subsets, this.#size);
    this.#members = [members(SAMPLES), members(REFERENCE)];
    const sums = () => new Sums(features, subsets);
    this.#own = [sums(), sums()];
    this.#across = sums();
  }

  addSamples(i: number, j: number, dot: number): void {
    this.#own[SAMPLES].add(dot, this.#members[SAMPLES], i, this.#members[SAMPLES], j);
  }

  addReference(i: number, j: number, dot: number): void {
    this.#own[REFERENCE].add(dot, this.#members[REFERENCE], i, this.#members[REFERENCE], j);
  }

  /** A pair of a sample and an image of the reference. */
  addAcross(i: number, j: number, dot: number): void {
    this.#across.add(dot, this.#members[SAMPLES], i, this.#members[REFERENCE], j);
  }

  result(): KernelDistance {
    const [n, m] = this.#counts;
    const estimate = (own: readonly number[], across: number, n: number, m: number) =>
      (2 * own[0]!) / (n * (n - 1)) + (2 * own[1]!) / (m * (m - 1)) - (2 * across) / (n * m);
    const each = Array.from({ length: this.#subsets }, (_, s) =>
      estimate(
        this.#own.map((sums) => sums.subset(s)),
        this.#across.subset(s),
        this.#size,
        this.#size,
      ),
    );
    const mean = each.reduce((a, b) => a + b, 0) / each.length;
    const variance = each.reduce((sum, value) => sum + (value - mean) ** 2, 0) / each.length;
    return {
      all: estimate(
        this.#own.map((sums) => sums.all),
        this.#across.all,
        n,
        m,
      ),
      mean,
      deviation: Math.sqrt(variance),
      subsets: this.#subsets,
      subsetSize: this.#size,
    };
  }
}

function membership(
  random: CounterRandom,
  set: number,
  count: number,
  subsets: number,
  size: number,
): Membership {
  const words = Math.ceil(subsets / 32);
  const bits = new Uint32Array(count * words);
  for (let s = 0; s < subsets; s++) {
    const order = random.permutation(PURPOSE.evaluationSubset, 2 * s + set, count);
    for (const i of order.subarray(0, size)) bits[i * words + (s >>> 5)]! |= 1 << (s & 31);
  }
  return { words, bits };
}
