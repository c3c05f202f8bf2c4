import { ABORT, GENERATION } from '../../assembly/constants.js';
import { pointer } from './pointer.js';

/**
 * The start of the shared memory: the barrier's words, and for each worker its current call, so that
 * an error can name it. Everything else belongs to the arena.
 */

/** Byte address of the barrier state (assembly/barrier.ts). */
export const BARRIER = pointer(4096);
const GENERATION_AT = BARRIER + GENERATION;
const ABORT_AT = BARRIER + ABORT;
/** One cache line per worker: [section, phase, call, run, step]. */
const STATUS = BARRIER + 256;
export const MAX_WORKERS = 256;
/** One cache line per worker: how many pieces of its share of each call are taken, for phases of even and odd number. */
const CLAIMS = STATUS + MAX_WORKERS * 64;
/** Calls of a phase whose pieces are counted. */
export const CLAIMED_CALLS = 8;
/** First byte of the arena. */
export const ARENA = CLAIMS + MAX_WORKERS * 64;

/** A worker's position in its task. */
export interface Position {
  /** The run within the task, and its step. */
  readonly run: number;
  readonly step: number;
  readonly section: number;
  readonly phase: number;
  readonly call: number;
}

/** Word index of a status line in an Int32Array over the memory. */
export const statusWord = (line: number): number => (STATUS + line * 64) >> 2;

/** Word index of a worker's first counter for phases of this parity; one counter per call. */
export const claimWord = (rank: number, parity: number): number =>
  (CLAIMS + rank * 64 + parity * 4 * CLAIMED_CALLS) >> 2;

/** Tells all workers to stop, and wakes those that sleep at the barrier. */
export function abort(buffer: SharedArrayBuffer): void {
  const words = new Int32Array(buffer, 0, ARENA >> 2);
  Atomics.store(words, ABORT_AT >> 2, 1);
  Atomics.notify(words, GENERATION_AT >> 2);
}

/** The last call begun by the worker of this status line. */
export function position(buffer: SharedArrayBuffer, line: number): Position {
  const words = new Int32Array(buffer, 0, ARENA >> 2);
  const [section, phase, call, run, step] = words.subarray(statusWord(line), statusWord(line) + 5);
  return { section: section!, phase: phase!, call: call!, run: run!, step: step! };
}

/** Clears the position that an earlier task left. */
export function clearPosition(buffer: SharedArrayBuffer, line: number): void {
  new Int32Array(buffer, 0, ARENA >> 2).fill(0, statusWord(line), statusWord(line) + 5);
}
