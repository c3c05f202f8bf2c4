/**
 * Address space, which `ulimit -v` and batch systems limit. V8 reserves far more of it than it uses: around each WebAssembly
 * memory, so that an access out of bounds is caught without a check, and for each worker. Where it cannot reserve what a worker
 * needs, it ends the process, so that is looked at before.
 */
import { RunError } from '../errors.js';
import { bytes } from '../units.js';
import { processLimit } from './process-limits.js';

const GIB = 2 ** 30;

/** What V8 reserves for a worker's heap and code: 0.58 GiB on Node 20 to 24, 0.83 GiB on Node 26. */
const WORKER = GIB;

/** Left for whatever else is mapped: threads, native libraries, buffers. */
const SLACK = GIB / 4;

/** Bytes that V8 reserves for a WebAssembly memory that may grow to `most`. */
export function memoryReservation(most: number, traps = hasTraps()): number {
  if (!traps) return most;
  return Number.parseInt(process.versions.v8, 10) >= 13 ? 8 * GIB : 10 * GIB;
}

/** Whether V8 reserves room around memories; Node has a flag against it. */
export function hasTraps(): boolean {
  const given = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS ?? ''}`;
  return !/--disable[-_]wasm[-_]trap[-_]handler/.test(given);
}

/** What workers and memories will take. */
export interface Wanted {
  readonly workers: number;
  /** Sizes to which WebAssembly memories may grow. */
  readonly memories: readonly number[];
}

/** Address space that these take, in bytes. */
export const addressSpace = ({ workers, memories }: Wanted): number =>
  workers * WORKER + memories.reduce((sum, most) => sum + memoryReservation(most), 0);

/** What is left of the address space; infinite where nothing limits it. */
export function addressSpaceLeft(root = '/'): number {
  const limit = processLimit('addressSpace', root);
  return limit === null ? Number.POSITIVE_INFINITY : Math.max(0, limit.most - limit.used - SLACK);
}

/** Why there is no room for these in the limited address space; null where there is. */
export function lackOfAddressSpace(wanted: Wanted, root = '/'): string | null {
  const [needed, left] = [addressSpace(wanted), addressSpaceLeft(root)];
  if (needed <= left) return null;
  const { most, command } = processLimit('addressSpace', root)!;
  const instead = hasTraps()
    ? `, or set NODE_OPTIONS=--disable-wasm-trap-handler, with which V8 reserves less and computes slower`
    : '';
  return (
    `V8 reserves ${bytes(needed)} of address space for it, and ${command} leaves ${bytes(left)} ` +
    `(${bytes(most)} in all); raise it (${command} unlimited)${instead}`
  );
}

/** @throws RunError, which begins with `what`, where there is no room for these */
export function requireAddressSpace(what: string, wanted: Wanted): void {
  const lack = lackOfAddressSpace(wanted);
  if (lack !== null) throw new RunError(`${what}: ${lack}`);
}
