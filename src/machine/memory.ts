/** How much memory this process may have: what the machine, its control groups and `ulimit` allow. */
import { totalmem } from 'node:os';
import { bytes } from '../units.js';
import { cgroupMemory } from './cgroup.js';
import { processLimit } from './process-limits.js';

/** Something that bounds the process's memory. */
export interface MemoryLimit {
  readonly bytes: number;
  /** For messages: `the machine's memory`. */
  readonly what: string;
  /** Bytes of it that are gone before the plan's begin. */
  readonly taken: number;
}

/**
 * What Node, its libraries and the workers (those that compute, that decode and that draw samples) take beside all that is planned:
 * measured 90 to 130 MiB with two threads and 230 MiB with eight, on Node 20 while it trains `tiny` and `small`.
 */
const NODE = 96 * 2 ** 20;
const WORKER = 32 * 2 ** 20;

/** What Node takes in a process of so many workers, in bytes. */
export const nodeBytes = (threads: number): number => NODE + threads * WORKER;

/** All that bounds a process of so many workers, the one that leaves least first. */
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

/** Room for what is planned, and what bounds it. */
export interface Room {
  readonly bytes: number;
  /** For messages; undefined where nothing but the device itself does. */
  readonly of?: string;
}

/** The room in a process of so many workers, `reserve` of which others will use. */
export function memoryRoom(threads: number, reserve = 0, root = '/'): Room {
  const [tightest] = memoryLimits(threads, root);
  const { bytes: all, what, taken } = tightest!;
  const rest = reserve > 0 ? ` and ${bytes(reserve)} for the rest of the run` : '';
  const of = `${what}: ${bytes(all)}, less ${bytes(taken)} for Node${rest}`;
  return { bytes: Math.max(0, all - taken - reserve), of };
}

/** The memory that this process may use: the machine's, or less where something limits it. */
export function allowedMemory(root = '/'): number {
  return Math.min(...memoryLimits(0, root).map((limit) => limit.bytes));
}

/** Elsewhere than on Linux libuv knows best; where nothing limits the process it says 0 or more than there is. */
function machineBytes(): number {
  const told = process.platform === 'linux' ? 0 : process.constrainedMemory();
  return told > 0 ? Math.min(told, totalmem()) : totalmem();
}
