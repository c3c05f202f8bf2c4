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
  run(
    call: Pick<Call, 'items' | 'grain'>,
    index: number,
    kernel: (begin: number, end: number) => void,
  ): void {
    const { items, grain = 1 } = call;
    const rank = this.#rank;
    const size = this.#size;
    if (size === 1 || index >= CLAIMED_CALLS || items <= size * grain) {
      const [begin, end] = share(items, grain, rank, size);
      if (begin < end) kernel(begin, end);
      return;
    }
    for (let i = 0; i < size; i++) this.#take((rank + i) % size, items, grain, index, kernel);
  }

  /** Moves on to the next phase; call it once all workers have met. */
  next(): void {
    this.#parity = 1 - this.#parity;
    this.#clear(1 - this.#parity);
  }

  /** Takes pieces of a worker's share until none are left. */
  #take(
    owner: number,
    items: number,
    grain: number,
    index: number,
    kernel: (begin: number, end: number) => void,
  ): void {
    const [begin, end] = share(items, grain, owner, this.#size);
    const piece = grain * Math.ceil((end - begin) / grain / PIECES);
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
