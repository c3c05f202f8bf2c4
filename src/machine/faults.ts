/** Failures that are the machine's and not of the file at hand: whatever came next would fail too. */
import { RunError } from '../errors.js';
import { bytes } from '../units.js';
import { allowedMemory, memoryLimits } from './memory.js';
import { processLimit } from './process-limits.js';

/** What is asked for is more than the process may have. */
class MachineFault extends Error {}

/** System errors by what has run out. */
const CODES: ReadonlyMap<string, 'memory' | 'files'> = new Map([
  ['ENOMEM', 'memory'],
  ['ERR_MEMORY_ALLOCATION_FAILED', 'memory'],
  ['EMFILE', 'files'],
  ['ENFILE', 'files'],
]);

const FILES = /too many open files/i;
/** V8's words, and the engine's for the same. */
const OURS = /WebAssembly\.Memory|array buffer allocation failed|refused .* of shared memory/i;
/** Those of libvips and what it is made of. */
const NATIVE =
  /out of memory|cannot allocate memory|(?:unable|failed) to (?:allocate|create thread)/i;

/**
 * What has run out, in words that name the limit; undefined for a failure of another kind. Errors of workers and of native
 * libraries have a message alone.
 */
export function machineFault(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof MachineFault) return error.message;
  const code = 'code' in error ? CODES.get(String(error.code)) : undefined;
  const { message } = error;
  if (code === 'files' || FILES.test(message)) return openFiles();
  if (code === 'memory' || OURS.test(message)) return memory();
  return NATIVE.test(message) && isLimited() ? memory() : undefined;
}

/**
 * Whether allocations fail before the machine is full. Where nothing limits the process, they do only for a file that claims to be
 * larger than the machine, and that is the file's fault.
 */
const isLimited = (): boolean =>
  processLimit('addressSpace') !== null || processLimit('data') !== null;

/** @throws RunError for a failure that is the machine's: `what` is what could not be done */
export function throwIfMachines(error: unknown, what: string): void {
  const fault = machineFault(error);
  if (fault !== undefined) throw new RunError(`${what}: ${fault}`, { cause: error });
}

let allowed: number | undefined;

/**
 * Looks before something takes so many bytes, since a process that takes more than it may have is killed without a word.
 * @throws an error that `machineFault` knows, which begins with `what`
 */
export function requireMemory(what: string, needed: number): void {
  // The files that say so are not read again for each picture.
  allowed ??= allowedMemory();
  if (needed > allowed) throw new MachineFault(`${what}: ${memory()}`);
}

/** Read in time: when no descriptor is left, the limit cannot be read either. */
const limit = processLimit('files');

function openFiles(): string {
  const most = limit === null ? '' : ` (ulimit -n is ${limit.most})`;
  return `too many open files${most}`;
}

function memory(): string {
  const [{ bytes: most, what } = { bytes: 0, what: 'no limit is known' }] = memoryLimits(0);
  return `out of memory (${what}: ${bytes(most)})`;
}
