import { type Stream, sharedArithmetic } from '../engine/arithmetic.js';
import { splitSeed } from '../engine/seed.js';

/*
 * Counter-based randomness: a value is a function of (seed, purpose, index, timestep, element) and never
 * of the order of calls, so any batch, worker, shard or resume sees the same numbers.
 */

/** The purpose of a random number. These numbers are part of the meaning of a seed: never change or reuse one. */
export const PURPOSE = {
  /** Initial weights; index is the tensor's place in the state dict, element its place in the tensor. */
  weights: 1,
  /** Order of the training images; index is the epoch. */
  shuffle: 2,
  /** Which training images are mirrored; index is the step, element the slot in the batch. */
  flip: 3,
  /** t of the training images; index is the step, element the slot in the batch. */
  timestep: 4,
  /** ε of a training step; index is the step, element its place in the batch. */
  trainNoise: 5,
  /** Which images a held-out fraction holds out; index 0. */
  heldOutSplit: 6,
  /** t of the held-out images; index 0, element the image. */
  heldOutTimestep: 7,
  /** ε of a held-out image; index is the image. */
  heldOutNoise: 8,
  /** x_T of a sampled image; index is the image. */
  sampleInit: 9,
  /** z of the reverse steps of a sampled image; index is the image, timestep the t of the step. */
  sampleNoise: 10,
  /** The drawings of the toy data set; index is the image. */
  toyCars: 11,
  /** ε of the forward-process figure; index 0. */
  forwardFigure: 12,
  /** Inputs of benchmarks; index is the benchmark's own. */
  bench: 13,
  /** Dropout masks; index is the optimizer's steps so far, timestep the dropout's number in the network. */
  dropout: 14,
  /** Noise of what is kept of a redrawn picture; index is the image, timestep the row of the trajectory. */
  keptNoise: 15,
  /** Noise added back before a step is taken once more; index is the image, timestep the row of the trajectory. */
  resampleNoise: 16,
  /** Which images an evaluation compares pairwise, and by patches; index is the set: 0 the samples, 1 the reference. */
  evaluationImages: 40,
  /** Subsets of the kernel distance; index is twice the subset, and one more for the reference. */
  evaluationSubset: 41,
  /** Places of an image's patches; index is the image, timestep the level of the pyramid. */
  evaluationPatch: 42,
  /** Directions that patches are projected onto; index is the level. */
  evaluationDirection: 43,
  /** Which images' likelihood is bounded; index 0. */
  likelihoodImages: 44,
  /** ε of an image whose likelihood is bounded; index is the image, timestep t. */
  likelihoodNoise: 45,
  /** Which training images' classes are dropped; index is the step, element the slot in the batch. */
  labelDropout: 46,
} as const;

export type Purpose = (typeof PURPOSE)[keyof typeof PURPOSE];

/** Words drawn at a time, to bound temporary memory. */
const CHUNK = 1 << 16;

/** The streams of one seed, drawn on this thread. */
export class CounterRandom {
  readonly #key;
  readonly #arithmetic = sharedArithmetic();

  /** @param seed 0 to 2⁵³ − 1. @throws UsageError for another */
  constructor(seed: number) {
    this.#key = splitSeed(seed);
  }

  /** `count` words of a stream, from `first` on. */
  words(
    purpose: Purpose,
    index: number,
    count: number,
    timestep = 0,
    first = 0,
  ): Uint32Array<ArrayBuffer> {
    const out = new Uint32Array(count);
    this.#chunks({ purpose, index, timestep }, count, (words, at) => out.set(words, at), first);
    return out;
  }

  /** Standard normals of `count` elements of a stream, from `first` on. */
  normals(
    purpose: Purpose,
    index: number,
    timestep: number,
    count: number,
    first = 0,
  ): Float32Array<ArrayBuffer> {
    const stream = { key: this.#key, purpose, index, timestep };
    const out = new Float32Array(count);
    for (let at = 0; at < count; at += CHUNK)
      out.set(this.#arithmetic.gaussian(stream, first + at, Math.min(CHUNK, count - at)), at);
    return out;
  }

  /** Uniform in [low, high), from the words' high 24 bits. */
  uniform(
    purpose: Purpose,
    index: number,
    count: number,
    low: number,
    high: number,
  ): Float32Array<ArrayBuffer> {
    const out = new Float32Array(count);
    const scale = (high - low) * 2 ** -24;
    this.#chunks({ purpose, index }, count, (words, at) => {
      for (let i = 0; i < words.length; i++) out[at + i] = low + (words[i]! >>> 8) * scale;
    });
    return out;
  }

  /** Whole numbers in [0, below), below at most 2³²: ⌊word·below/2³²⌋, uniform up to below/2³². */
  integers(
    purpose: Purpose,
    index: number,
    count: number,
    below: number,
  ): Uint32Array<ArrayBuffer> {
    const words = this.words(purpose, index, count);
    for (let i = 0; i < count; i++) words[i] = (words[i]! / 2 ** 32) * below;
    return words;
  }

  /** The numbers 0 … n−1 in random order (Fisher and Yates). */
  permutation(purpose: Purpose, index: number, n: number): Uint32Array<ArrayBuffer> {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    const words = this.words(purpose, index, n);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor((words[i]! / 2 ** 32) * (i + 1));
      [order[i], order[j]] = [order[j]!, order[i]!];
    }
    return order;
  }

  #chunks(
    of: Omit<Stream, 'key'>,
    count: number,
    take: (words: Uint32Array, at: number) => void,
    first = 0,
  ): void {
    const stream = { key: this.#key, ...of };
    for (let at = 0; at < count; at += CHUNK)
      take(this.#arithmetic.words(stream, first + at, Math.min(CHUNK, count - at)), at);
  }
}
