/**
 * Address space, which `ulimit -v` and batch systems limit. V8 reserves far more of it than it uses: around each WebAssembly
 * memory, so that out-of-bounds accesses are caught without checks, and for each worker. If it cannot reserve what a worker
 * needs, it ends the process, so this is checked in advance.
 */
import { RunError } from '../errors.js';
import { bytes } from '../units.js';
import { processLimit } from './process-limits.js';

const GIB = 2 ** 30;

/** V8's reservation for a worker's heap and code: 0.58 GiB on Node 20 to 24, 0.83 GiB on Node 26. */
const WORKER = GIB;

/** Reserve for everything else that is mapped: threads, native libraries, buffers. */
const SLACK = GIB / 4;

/** Bytes that V8 reserves for a WebAssembly memory that may grow to `most`. */
export function memoryReservation(most: number, traps = hasTraps()): number {
  if (!traps) return most;
  return Number.parseInt(process.versions.v8, 10) >= 13 ? 8 * GIB : 10 * GIB;
}

/** Whether V8 reserves guard regions around memories; a Node flag turns that off. */
export function hasTraps(): boolean {
  const given = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  return !/--disable[-_]wasm[-_]trap[-_]handler/.test(given);
}

/** The planned workers and memories. */
export interface Wanted {
  readonly workers: number;
  /** Sizes to which WebAssembly memories may grow. */
  readonly memories: readonly number[];
}

/** Address space that they take, in bytes. */
export const addressSpace = ({ workers, memories }: Wanted): number =>
  workers * WORKER + memories.reduce((sum, most) => sum + memoryReservation(most), 0);

/** The remaining address space; infinite if it is not limited. */
export function addressSpaceLeft(root = '/'): number {
  const limit = processLimit('addressSpace', root);
  return limit === null ? Number.POSITIVE_INFINITY : Math.max(0, limit.most - limit.used - SLACK);
}

/** Why the limited address space is not enough for these; null if it is. */
export function lackOfAddressSpace(wanted: Wanted, root = '/'): string | null {
  const [needed, left] = [addressSpace(wanted), addressSpaceLeft(root)];
  if (needed <= left) return null;
  const { most, command } = processLimit('addressSpace', root)!;
  const instead = hasTraps()
    ? `, or set NODE_OPTIONS=--disable-wasm-trap-handler, with which V8 reserves less, but computes more slowly`
    : '';
  return (
    `V8 reserves ${bytes(needed)} of address space for it, and ${command} leaves ${bytes(left)} ` +
    `(${bytes(most)} in all); raise it (${command} unlimited)${instead}`
  );
}

/**
 * V8's heap grows while a command runs, and native libraries are mapped: if that fails, the process is aborted.
 * @throws RunError if hardly any room is left beside what is mapped at the start
 */
export function requireRoomToStart(root = '/'): void {
  if (addressSpaceLeft(root) > 0) return;
  const { most, used, command } = processLimit('addressSpace', root)!;
  throw new RunError(
    `${command} leaves too little address space: ${bytes(most)} in all, ${bytes(used)} of it taken before anything is ` +
      `computed, and ${bytes(SLACK)} more are needed; raise it (${command} unlimited)`,
  );
}

/** @throws RunError, starting with `what`, if there is no room for these */
export function requireAddressSpace(what: string, wanted: Wanted): void {
  const lack = lackOfAddressSpace(wanted);
  if (lack !== null) throw new RunError(`${what}: ${lack}`);
}
