/** Failures of the machine rather than of the current file: any other file would fail too. */
import { RunError } from '../errors.js';
import { bytes } from '../units.js';
import { allowedMemory, memoryLimits } from './memory.js';
import { processLimit } from './process-limits.js';

/** The request exceeds what the process may use. */
class MachineFault extends Error {}

/** System errors by the exhausted resource. */
const CODES: ReadonlyMap<string, 'memory' | 'files'> = new Map([
  ['ENOMEM', 'memory'],
  ['ERR_MEMORY_ALLOCATION_FAILED', 'memory'],
  ['EMFILE', 'files'],
  ['ENFILE', 'files'],
]);

const FILES = /too many open files/i;
/** GLib's message when the kernel refuses a thread: lack of address space, or of processes (`ulimit -u`, a pids group). */
const THREADS = /error creating thread/i;
/** V8's message, and the engine's for the same. */
const OURS = /WebAssembly\.Memory|array buffer allocation failed|refused .* of shared memory/i;
/** Messages of libvips and its libraries. */
const NATIVE =
  /out of memory|cannot allocate memory|(?:unable|failed) to (?:allocate|create thread)/i;

/**
 * The exhausted resource, with its limit; undefined for other failures. Errors from workers and native
 * libraries have only a message.
 */
export function machineFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof MachineFault) return error.message;
  const code = 'code' in error ? CODES.get(String(error.code)) : undefined;
  const { message } = error;
  if (code === 'files' || FILES.test(message)) return openFiles();
  if (THREADS.test(message))
    return isLimited() ? memory() : `no thread could be started: ${message}`;
  if (code === 'memory' || OURS.test(message)) return memory();
  return NATIVE.test(message) && isLimited() ? memory() : undefined;
}

/**
 * Whether allocations may fail before the machine is full. Without limits they only fail for a file that claims to be
 * larger than the machine, which is the file's fault.
 */
const isLimited = (): boolean =>
  processLimit('addressSpace') !== null || processLimit('data') !== null;

/** @throws RunError for a failure of the machine: `what` is the failed operation */
export function throwIfMachines(error: unknown, what: string): void {
  const fault = machineFault(error);
  if (fault !== undefined) throw new RunError(`${what}: ${fault}`, { cause: error });
}

let allowed: number | undefined;

/**
 * Checks before allocating this many bytes, since a process that exceeds its limit is killed without a message.
 * @throws an error for `machineFault`, starting with `what`
 */
export function requireMemory(what: string, needed: number): void {
  // Cached: the system's files are not read again for each picture.
  allowed ??= allowedMemory();
  if (needed > allowed) throw new MachineFault(`${what}: ${memory()}`);
}

/** Read in advance: without free descriptors the limit cannot be read either. */
const limit = processLimit('files');

function openFiles(): string {
  const most = limit === null ? '' : ` (ulimit -n is ${limit.most})`;
  return `too many open files${most}`;
}

function memory(): string {
  const [{ bytes: most, what } = { bytes: 0, what: 'no limit is known' }] = memoryLimits(0);
  return `out of memory (${what}: ${bytes(most)})`;
}
