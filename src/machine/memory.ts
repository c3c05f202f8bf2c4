/** The memory available to this process: limited by the machine, its control groups and `ulimit`. */
import { totalmem } from 'node:os';
import { bytes } from '../units.js';
import { cgroupMemory } from './cgroup.js';
import { processLimit } from './process-limits.js';

/** A limit of the process's memory. */
export interface MemoryLimit {
  readonly bytes: number;
  /** For messages: `the machine's memory`. */
  readonly what: string;
  /** Bytes of it that are taken before the plan's. */
  readonly taken: number;
}

/**
 * Memory of Node, its libraries and the workers (for computing, decoding and drawing samples) beside everything that is planned:
 * measured 90 to 130 MiB with two threads and 230 MiB with eight, on Node 20 while it trains `tiny` and `small`.
 */
const NODE = 96 * 2 ** 20;
const WORKER = 32 * 2 ** 20;

/** Node's own memory in a process with this many workers, in bytes. */
export const nodeBytes = (threads: number): number => NODE + threads * WORKER;

/** All limits of a process with this many workers, the tightest first. */
export function memoryLimits(threads: number, root = '/'): MemoryLimit[] {
  const taken = nodeBytes(threads);
  const limits: MemoryLimit[] = [{ bytes: machineBytes(), what: "the machine's memory", taken }];
  const group = cgroupMemory(root);
  if (group !== null) limits.push({ bytes: group, what: "the container's limit (cgroup)", taken });
  for (const kind of ['addressSpace', 'data'] as const) {
    const limit = processLimit(kind, root);
    if (limit) limits.push({ bytes: limit.most, what: limit.command, taken: limit.used });
  }
  return limits.sort((a, b) => left(a) - left(b));
}

const left = (limit: MemoryLimit): number => Math.max(0, limit.bytes - limit.taken);

/** The memory available to a plan, and its limit. */
export interface Room {
  readonly bytes: number;
  /** The limit, for messages; undefined if it is only the device's own. */
  readonly of?: string;
}

/** The memory available in a process with this many workers, of which others will use `reserve`. */
export function memoryRoom(threads: number, reserve = 0, root = '/'): Room {
  const [tightest] = memoryLimits(threads, root);
  const { bytes: all, what, taken } = tightest!;
  const rest = reserve > 0 ? ` and ${bytes(reserve)} for the rest of the run` : '';
  const of = `${what}: ${bytes(all)}, less ${bytes(taken)} for Node${rest}`;
  return { bytes: Math.max(0, all - taken - reserve), of };
}

/** The memory available to this process: the machine's, or less if it is limited. */
export function allowedMemory(root = '/'): number {
  return Math.min(...memoryLimits(0, root).map((limit) => limit.bytes));
}

/** Outside Linux libuv knows best; without a limit it reports 0 or more than exists. */
function machineBytes(): number {
  const told = process.platform === 'linux' ? 0 : process.constrainedMemory();
  return told > 0 ? Math.min(told, totalmem()) : totalmem();
}
