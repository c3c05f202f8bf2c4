import { ABORT, GENERATION } from '../../assembly/constants.js';
import { pointer } from './pointer.js';

/**
 * The first bytes of the shared memory: the barrier's words, and for each worker the call it is in, so that
 * an error can name it. Everything else is the arena's.
 */

/** Byte address of the barrier state (assembly/barrier.ts). */
export const BARRIER = pointer(4096);
const GENERATION_AT = BARRIER + GENERATION;
const ABORT_AT = BARRIER + ABORT;
/** One 64-byte line a worker: [section, phase, call, run, step], so that workers do not share a line. */
const STATUS = BARRIER + 256;
export const MAX_WORKERS = 256;
/** One 64-byte line a worker: how many pieces of its share of each call are taken, in phases of even and odd number. */
const CLAIMS = STATUS + MAX_WORKERS * 64;
/** Calls of a phase whose pieces are counted. */
export const CLAIMED_CALLS = 8;
/** First byte of the arena. */
export const ARENA = CLAIMS + MAX_WORKERS * 64;

/** Where a worker is in its task. */
export interface Position {
  /** Which of the task's runs, and the step of it. */
  readonly run: number;
  readonly step: number;
  readonly section: number;
  readonly phase: number;
  readonly call: number;
}

/** Word index of a status line in an Int32Array over the memory. */
export const statusWord = (line: number): number => (STATUS + line * 64) >> 2;

/** Word index of the first counter of a worker for the phases of this parity; one counter a call. */
export const claimWord = (rank: number, parity: number): number =>
  (CLAIMS + rank * 64 + parity * 4 * CLAIMED_CALLS) >> 2;

/** Tells all workers to give up, and wakes those that sleep at the barrier. */
export function abort(buffer: SharedArrayBuffer): void {
  const words = new Int32Array(buffer, 0, ARENA >> 2);
  Atomics.store(words, ABORT_AT >> 2, 1);
  Atomics.notify(words, GENERATION_AT >> 2);
}

/** The call last begun by the worker that writes this status line. */
export function position(buffer: SharedArrayBuffer, line: number): Position {
  const words = new Int32Array(buffer, 0, ARENA >> 2);
  const [section, phase, call, run, step] = words.subarray(statusWord(line), statusWord(line) + 5);
  return { section: section!, phase: phase!, call: call!, run: run!, step: step! };
}

/** Forgets where the worker of an earlier task was. */
export function clearPosition(buffer: SharedArrayBuffer, line: number): void {
  new Int32Array(buffer, 0, ARENA >> 2).fill(0, statusWord(line), statusWord(line) + 5);
}
