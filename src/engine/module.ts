import { EngineError } from '../errors.js';
import { bytes as text } from '../units.js';
import type { Kernels, Routines } from './abi.js';
import { MAX_BYTES } from './host/host.js';
import { host } from './host/index.js';

/** The two builds of the same source: strict SIMD, and relaxed SIMD (fused multiply-add). */
export type Build = 'strict' | 'relaxed';

/** Which kernels compute, and how V8 compiles them. */
export interface KernelChoice {
  /** Forces the strict build; default the best one this machine runs. */
  readonly strict?: boolean | undefined;
  /** Vectors of 256 bits, which give the same bits in less time; default false. See `lackOfWideVectors`. */
  readonly wide?: boolean | undefined;
}

/** What an instance can do. */
export type Exports = Kernels & Routines;

/** The kernels over a memory, for this thread; `wide`: with blocks for vectors of 256 bits, which give the same bits. */
export function instantiate(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  wide = false,
): Exports {
  const abort = () => {
    throw new Error('the WebAssembly module aborted');
  };
  const instance = new WebAssembly.Instance(module, { env: { memory, abort } });
  const kernels = instance.exports as unknown as Exports;
  kernels.setWide(wide);
  return kernels;
}

export const PAGE = 65536;

/**
 * A shared memory of at least `bytes`, fixed in size unless it may grow to `most`.
 * @throws EngineError when it cannot be had, or above 4 GiB
 */
export function createMemory(bytes: number, most = bytes): WebAssembly.Memory {
  const [initial, maximum] = [bytes, most].map((n) => Math.max(1, Math.ceil(n / PAGE)));
  requireAddresses(most);
  try {
    return new WebAssembly.Memory({ initial: initial!, maximum: maximum!, shared: true });
  } catch (cause) {
    throw refused(bytes, most, cause);
  }
}

/** Adds at least `bytes`. @throws EngineError when they cannot be had */
export function growMemory(memory: WebAssembly.Memory, bytes: number): void {
  requireAddresses(memory.buffer.byteLength + bytes);
  try {
    memory.grow(Math.ceil(bytes / PAGE));
  } catch (cause) {
    throw refused(bytes, bytes, cause);
  }
}

function requireAddresses(bytes: number): void {
  if (bytes > MAX_BYTES)
    throw new EngineError(`${text(bytes)} of memory: WebAssembly addresses ${text(MAX_BYTES)}`);
}

function refused(bytes: number, most: number, cause: unknown): EngineError {
  const why = host.lackOfAddressSpace({ workers: 0, memories: [most] }) ?? (cause as Error).message;
  return new EngineError(`the system refused ${text(bytes)} of shared memory: ${why}`, { cause });
}
