/**
 * Mean and covariance of a stream of rows, in one pass and with memory only for the covariance: chunks of
 * rows are centred separately and merged (Chan, Golub & LeVeque 1979), which loses no digits if a mean is large.
 */
import { RunError } from '../errors.js';
import type { Statistics } from '../io/statistics-file.js';
import { addDots } from './matrix.js';

/** Rows to merge at a time. */
const CHUNK = 256;

/** Side of the covariance's blocks; those above the diagonal are omitted. */
const BLOCK = 64;

export class Moments {
  readonly #features: number;
  readonly #mean: Float64Array;
  /** Sums of products of centred values, below the diagonal and in the blocks on it. */
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

  /** Adds rows of features. */
  add(rows: Float32Array): void {
    const n = this.#features;
    for (let at = 0; at < rows.length; at += n) {
      for (let f = 0; f < n; f++) this.#waiting[f * CHUNK + this.#waits] = rows[at + f]!;
      this.#waits++;
      if (this.#waits === CHUNK) this.#merge();
    }
  }

  /** Divides the covariance by one less than the count, like numpy.cov. @throws RunError for fewer than two rows */
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

  /** Subtracts the mean from a feature's column, fills the unused part with zeros, and returns the mean. */
  #centre(feature: number, rows: number): number {
    const column = this.#waiting.subarray(feature * CHUNK, (feature + 1) * CHUNK);
    let sum = 0;
    for (let r = 0; r < rows; r++) sum += column[r]!;
    const mean = sum / rows;
    for (let r = 0; r < rows; r++) column[r]! -= mean;
    column.fill(0, rows);
    return mean;
  }

  /** Adds the chunk's products, and those of the distance between its mean and the mean so far. */
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
