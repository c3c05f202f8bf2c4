/**
 * Mean and covariance of rows that come one after the other, in one pass and in memory for the covariance alone: chunks of
 * rows are centred by themselves and merged (Chan, Golub & LeVeque 1979), which loses no digits where a mean is large.
 */
import { RunError } from '../errors.js';
import type { Statistics } from '../io/statistics-file.js';
import { addDots } from './matrix.js';

/** Rows that are merged at a time. */
const CHUNK = 256;

/** Side of the blocks of the covariance, of which those above the diagonal are left out. */
const BLOCK = 64;

export class Moments {
  readonly #features: number;
  readonly #mean: Float64Array;
  /** Sums of products of what is centred, below the diagonal and in the blocks on it. */
  readonly #products: Float64Array;
  /** Rows that wait to be merged, as columns: [features][CHUNK]. */
  readonly #waiting: Float64Array;
  #waits = 0;
  #count = 0;

  constructor(features: number) {
    this.#features = features;
    this.#mean = new Float64Array(features);
    this.#products = new Float64Array(features * features);
    this.#waiting = new Float64Array(features * CHUNK);
  }

  /** Rows that were added. */
  get count(): number {
    return this.#count + this.#waits;
  }

  /** Adds rows of so many features each. */
  add(rows: Float32Array): void {
    const n = this.#features;
    for (let at = 0; at < rows.length; at += n) {
      for (let f = 0; f < n; f++) this.#waiting[f * CHUNK + this.#waits] = rows[at + f]!;
      this.#waits++;
      if (this.#waits === CHUNK) this.#merge();
    }
  }

  /** The covariance is divided by one less than the count, as numpy.cov does. @throws RunError for fewer than two rows */
  finish(): Statistics {
    this.#merge();
    if (this.#count < 2)
      throw new RunError(`the covariance of features needs two images or more, got ${this.#count}`);
    const n = this.#features;
    const covariance = new Float64Array(n * n);
    for (let i = 0; i < n; i++)
      for (let j = 0; j <= i; j++) {
        const value = this.#products[i * n + j]! / (this.#count - 1);
        covariance[i * n + j] = value;
        covariance[j * n + i] = value;
      }
    return { mean: this.#mean.slice(), covariance };
  }

  #merge(): void {
    const rows = this.#waits;
    if (rows === 0) return;
    const n = this.#features;
    const total = this.#count + rows;
    const shift = new Float64Array(n);
    for (let f = 0; f < n; f++) shift[f] = this.#centre(f, rows) - this.#mean[f]!;
    this.#addProducts(shift, (this.#count * rows) / total);
    for (let f = 0; f < n; f++) this.#mean[f]! += (shift[f]! * rows) / total;
    this.#count = total;
    this.#waits = 0;
  }

  /** Takes the mean off a feature's column, fills what is not used with zeros, and returns the mean. */
  #centre(feature: number, rows: number): number {
    const column = this.#waiting.subarray(feature * CHUNK, (feature + 1) * CHUNK);
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += column[r]!;
    const mean = sum / rows;
    for (let r = 0; r < rows; r++) column[r]! -= mean;
    column.fill(0, rows);
    return mean;
  }

  /** Products of the chunk's own, and of the distance between its mean and that so far. */
  #addProducts(shift: Float64Array, weight: number): void {
    const n = this.#features;
    const waiting = { rows: n, columns: CHUNK, data: this.#waiting };
    for (let i = 0; i < n; i += BLOCK) {
      const end = Math.min(n, i + BLOCK);
      addDots(this.#products, n, waiting, i, end, waiting, 0, end);
      for (let y = i; y < end; y++)
        for (let x = 0; x < end; x++) this.#products[y * n + x]! += weight * shift[y]! * shift[x]!;
    }
  }
}
