/**
 * The first bytes of the shared memory: the barrier's words, and for each worker the call it is in, so that
 * an error can name it. Everything else is the arena's.
 */

/** Byte address of the barrier state (assembly/barrier.ts). */
export const BARRIER = 4096;
const GENERATION = BARRIER + 64;
const ABORT = BARRIER + 192;
/** One 64-byte line a worker: [section, phase, call], so that workers do not share a line. */
const STATUS = BARRIER + 256;
export const MAX_WORKERS = 256;
/** First byte of the arena. */
export const ARENA = STATUS + MAX_WORKERS * 64;

/** Where a worker is in its program. */
export interface Position {
  readonly section: number;
  readonly phase: number;
  readonly call: number;
}

/** Word index of a worker's status in an Int32Array over the memory. */
export const statusWord = (rank: number): number => (STATUS + rank * 64) >> 2;

/** Tells all workers to give up, and wakes those that sleep at the barrier. */
export function abort(buffer: SharedArrayBuffer): void {
  const words = new Int32Array(buffer, 0, ARENA >> 2);
  Atomics.store(words, ABORT >> 2, 1);
  Atomics.notify(words, GENERATION >> 2);
}

/** The call a worker last began. */
export function position(buffer: SharedArrayBuffer, rank: number): Position {
  const words = new Int32Array(buffer, 0, ARENA >> 2);
  const at = statusWord(rank);
  return { section: words[at]!, phase: words[at + 1]!, call: words[at + 2]! };
}
