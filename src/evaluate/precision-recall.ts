/**
 * Improved precision and recall (Kynkäänniemi et al. 2019): a set covers a point that lies within the ball around one of its
 * images whose radius is the distance to that image's k-th nearest neighbour in the set. Precision is the share of samples that
 * the reference covers, recall that of the reference that the samples cover.
 */

export interface PrecisionRecall {
  readonly precision: number;
  readonly recall: number;
  /** k. */
  readonly neighbours: number;
}

/** Takes the pairs within each set first, then, after `close`, those across. */
export class PrecisionRecallCounts {
  readonly #squares: readonly [Float64Array, Float64Array];
  readonly #k: number;
  readonly #nearest: readonly [Float64Array, Float64Array];
  readonly #covered: readonly [Uint8Array, Uint8Array];

  /** @param squares squared lengths of the samples' features and of the reference's */
  constructor(squares: readonly [samples: Float64Array, reference: Float64Array], k: number) {
    this.#squares = squares;
    this.#k = k;
    const nearest = (set: Float64Array) => new Float64Array(set.length * k).fill(Infinity);
    this.#nearest = [nearest(squares[0]), nearest(squares[1])];
    this.#covered = [new Uint8Array(squares[0].length), new Uint8Array(squares[1].length)];
  }

  /** A pair of the samples (0) or of the reference (1). */
  addOwn(set: 0 | 1, i: number, j: number, dot: number): void {
    const squares = this.#squares[set];
    const distance = squares[i]! + squares[j]! - 2 * dot;
    this.#insert(this.#nearest[set], i, distance);
    this.#insert(this.#nearest[set], j, distance);
  }

  /** A pair of a sample and an image of the reference. Distances are squared, as the balls' are. */
  addAcross(i: number, j: number, dot: number): void {
    const [samples, reference] = this.#squares;
    const distance = Math.max(0, samples[i]! + reference[j]! - 2 * dot);
    const last = this.#k - 1;
    if (distance <= this.#nearest[1][j * this.#k + last]!) this.#covered[0][i] = 1;
    if (distance <= this.#nearest[0][i * this.#k + last]!) this.#covered[1][j] = 1;
  }

  result(): PrecisionRecall {
    const share = (covered: Uint8Array) => covered.reduce((a, b) => a + b, 0) / covered.length;
    return {
      precision: share(this.#covered[0]),
      recall: share(this.#covered[1]),
      neighbours: this.#k,
    };
  }

  /** Keeps the k least distances of a row, in order; rounding may leave that of equals below 0. */
  #insert(nearest: Float64Array, row: number, distance: number): void {
    const first = row * this.#k;
    let at = first + this.#k - 1;
    if (distance >= nearest[at]!) return;
    for (; at > first && nearest[at - 1]! > distance; at--) nearest[at] = nearest[at - 1]!;
    nearest[at] = Math.max(0, distance);
  }
}
