import { CLAIMED_CALLS, claimWord } from './control.js';
import { type Call, share } from './program.js';

/**
 * Load balancing within a call: each worker takes pieces of its own share, and workers that have finished steal pieces that the
 * others have not reached. So a worker that is delayed by another program or a slower core delays the others less. Every worker
 * computes an item in the same way, so the bits do not depend on who does.
 *
 * A worker's counters, one per call, record how many pieces of its share are taken. There are two sets: nobody uses the one
 * of the next phase before all have met at the barrier, so its owner can clear it.
 */

/** Pieces per share. Measured: 4 and 16 take as long as 8; with another program on one of two cores, 1 takes 4 % longer. */
const PIECES = 8;

/** What a share's pieces depend on. */
export type Divided = Pick<Call, 'items' | 'grain'>;

/** Whether workers take a call's shares by pieces, which others may steal: not if a share is one grain or less. */
export const inPieces = ({ items, grain = 1 }: Divided, index: number, size: number): boolean =>
  size > 1 && index < CLAIMED_CALLS && items > size * grain;

/** Items of a piece of the share [begin, end). */
export const pieceOf = (begin: number, end: number, { grain = 1 }: Divided): number =>
  grain * Math.ceil((end - begin) / grain / PIECES);

export class Claims {
  readonly #words: Int32Array;
  readonly #rank: number;
  readonly #size: number;
  #parity = 0;

  /** The workers must meet before the first phase: they clear counters that an earlier run may have left. */
  constructor(words: Int32Array, rank: number, size: number) {
    this.#words = words;
    this.#rank = rank;
    this.#size = size;
    this.#clear(0);
    this.#clear(1);
  }

  /** Runs a kernel over this worker's items of a call. */
  run(call: Divided, index: number, kernel: (begin: number, end: number) => void): void {
    const rank = this.#rank;
    const size = this.#size;
    if (!inPieces(call, index, size)) {
      const [begin, end] = share(call, rank, size);
      if (begin < end) kernel(begin, end);
      return;
    }
    for (let i = 0; i < size; i++) this.#take((rank + i) % size, call, index, kernel);
  }

  /** Moves on to the next phase; call it once all workers have met. */
  next(): void {
    this.#parity = 1 - this.#parity;
    this.#clear(1 - this.#parity);
  }

  /** Takes pieces of a worker's share until none are left. */
  #take(
    owner: number,
    call: Divided,
    index: number,
    kernel: (begin: number, end: number) => void,
  ): void {
    const [begin, end] = share(call, owner, this.#size);
    const piece = pieceOf(begin, end, call);
    const counter = claimWord(owner, this.#parity) + index;
    while (begin < end) {
      const first = begin + piece * Atomics.add(this.#words, counter, 1);
      if (first >= end) return;
      kernel(first, Math.min(first + piece, end));
    }
  }

  #clear(parity: number): void {
    const first = claimWord(this.#rank, parity);
    this.#words.fill(0, first, first + CLAIMED_CALLS);
  }
}
