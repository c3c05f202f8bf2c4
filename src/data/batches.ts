/**
 * Which images a training step takes, which of them it mirrors, and their timesteps: a function of the
 * seed and the step alone, so a resumed run sees what an uninterrupted one would have seen.
 */
import { drawPositions, type PositionOptions, type Positions } from '../diffusion/mixture.js';
import { CounterRandom, PURPOSE } from '../diffusion/random.js';
import { UsageError } from '../errors.js';
import type { Classes } from './classes.js';

/** One training step's share of the data. */
export interface Batch {
  /** Steps count from 0, epochs too. */
  readonly step: number;
  readonly epoch: number;
  /** Images of the data set, one per slot. */
  readonly indices: Uint32Array;
  /** 1 if the image in the slot is mirrored left to right, else 0. */
  readonly flips: Uint32Array;
  /** How noisy the image in each slot is. */
  readonly t: Positions;
  /** Class of each slot; the number of classes stands for no class. Missing without classes. */
  readonly labels?: Int32Array;
}

export interface BatchOptions {
  /** Images in the data set. */
  readonly count: number;
  readonly batch: number;
  readonly seed: number;
  /** T: timesteps of the diffusion. */
  readonly timesteps: number;
  /** How timesteps are drawn; by default uniformly. */
  readonly positions?: PositionOptions;
  /** Mirror each image with probability one half. */
  readonly flip: boolean;
  /** Classes of the images, for class-conditional networks. */
  readonly classes?: Classes | null;
  /** Probability with which an image's class is dropped (Ho & Salimans 2022); default 0. */
  readonly labelDropout?: number;
}

/** The length of a run: steps, or epochs if they are null. */
interface RunLength {
  readonly steps: number | null;
  readonly epochs: number | null;
}

/**
 * The batches of a run. An epoch is a seeded permutation of the images cut into ⌊count/batch⌋ steps; the
 * images left over are part of the next epoch's permutation.
 */
export class BatchPlan {
  readonly stepsPerEpoch: number;
  readonly #options: BatchOptions;
  readonly #random: CounterRandom;
  /** The orders of two epochs: a step near an epoch's end looks ahead into the next. */
  readonly #orders = new Map<number, Uint32Array>();

  /** @throws UsageError if there are fewer images than one batch */
  constructor(options: BatchOptions) {
    const { count, batch, seed } = options;
    if (count < batch)
      throw new UsageError(
        `--batch: expected at most ${count}, the number of images in the data, got ${batch}`,
      );
    this.stepsPerEpoch = Math.floor(count / batch);
    this.#options = options;
    this.#random = new CounterRandom(seed);
  }

  /** Steps of a run that is this long. */
  total({ steps, epochs }: RunLength): number {
    return steps ?? epochs! * this.stepsPerEpoch;
  }

  /** The epoch of a step. */
  epochOf(step: number): number {
    return Math.floor(step / this.stepsPerEpoch);
  }

  /** Only the images of a step, for `Dataset.ahead`. */
  indices(step: number): Uint32Array {
    const { batch } = this.#options;
    const first = (step % this.stepsPerEpoch) * batch;
    return this.#order(this.epochOf(step)).slice(first, first + batch);
  }

  batch(step: number): Batch {
    const { batch, timesteps, flip } = this.#options;
    const { positions = { timesteps, flow: false, sampling: 'uniform' } } = this.#options;
    const flips = flip
      ? this.#random.words(PURPOSE.flip, step, batch).map((word) => word >>> 31)
      : new Uint32Array(batch);
    const stream = { purpose: PURPOSE.timestep, index: step };
    const t = drawPositions(this.#random, stream, batch, positions);
    const indices = this.indices(step);
    const labels = this.#labels(step, indices);
    return { step, epoch: this.epochOf(step), indices, flips, t, ...(labels && { labels }) };
  }

  #labels(step: number, indices: Uint32Array): Int32Array | undefined {
    const { classes, labelDropout = 0 } = this.#options;
    if (!classes) return undefined;
    const words = this.#random.words(PURPOSE.labelDropout, step, indices.length);
    return Int32Array.from(indices, (image, slot) =>
      words[slot]! < labelDropout * 2 ** 32 ? classes.names.length : classes.labels[image]!,
    );
  }

  #order(epoch: number): Uint32Array {
    const known = this.#orders.get(epoch);
    if (known) return known;
    for (const old of this.#orders.keys()) if (Math.abs(old - epoch) > 1) this.#orders.delete(old);
    const order = this.#random.permutation(PURPOSE.shuffle, epoch, this.#options.count);
    this.#orders.set(epoch, order);
    return order;
  }
}
