import { EngineError } from '../errors.js';
import { bytes as text } from '../units.js';
import type { Kernels, Routines } from './abi.js';
import { MAX_BYTES } from './host/host.js';
import { host } from './host/index.js';

/** The two builds of the same source: strict SIMD, and relaxed SIMD (fused multiply-add). */
export type Build = 'strict' | 'relaxed';

/** Which build of the kernels to use, and how V8 compiles it. */
export interface KernelChoice {
  /** Use the strict build; default the best one that this machine can run. */
  readonly strict?: boolean | undefined;
  /** 256-bit vectors, which give the same bits in less time; default null: where they were tested. See `lackOfWideVectors`. */
  readonly wide?: boolean | null | undefined;
}

/** The exports of an instance. */
export type Exports = Kernels & Routines;

/** Instantiates the kernels on a memory, for this thread; `wide`: with blocks for 256-bit vectors, which give the same bits. */
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
 * A shared memory of at least `bytes`, of fixed size unless it may grow to `most`.
 * @throws EngineError if it cannot be allocated, or above 4 GiB
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

/** Adds at least `bytes`. @throws EngineError if they cannot be allocated */
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
