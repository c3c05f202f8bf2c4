import { host } from './host/index.js';
import { type Build, createMemory, type Exports, growMemory, instantiate, PAGE } from './module.js';
import { type Pointer, pointer } from './pointer.js';

type Values = Float32Array | Uint32Array | Uint8Array;

/** Memory below it stays unused, so that no array has the address 0. */
const FIRST = 4096;

/** The size to which a scratch memory may grow. */
export const mostScratch = (): number => host.mostScratch();

/**
 * The kernels on their own growing memory, for calls from one thread: copy in, call, copy out.
 * Each round of calls begins with `reset`, which invalidates earlier addresses.
 */
export class Scratch {
  readonly kernels: Exports;
  readonly #memory: WebAssembly.Memory;
  #top = FIRST;

  constructor(build: Build) {
    this.#memory = createMemory(PAGE, mostScratch());
    this.kernels = instantiate(host.compile(build, false), this.#memory);
  }

  reset(): void {
    this.#top = FIRST;
  }

  /** Address of `bytes` of memory with arbitrary contents. @throws EngineError past 4 GiB, or if the system refuses */
  space(bytes: number): Pointer {
    const at = this.#top;
    this.#top = Math.ceil((at + bytes) / 64) * 64;
    const missing = this.#top - this.#memory.buffer.byteLength;
    if (missing > 0) growMemory(this.#memory, missing);
    return pointer(at);
  }

  /** Address of a copy of the values. */
  put(values: Values): Pointer {
    const at = this.space(values.byteLength);
    this.write(at, values);
    return at;
  }

  /** Copies the values to an address. */
  write(at: number, values: Values): void {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(this.#memory.buffer).set(bytes, at);
  }

  floats(at: number, length: number): Float32Array<ArrayBuffer> {
    return new Float32Array(new Float32Array(this.#memory.buffer, at, length));
  }

  words(at: number, length: number): Uint32Array<ArrayBuffer> {
    return new Uint32Array(new Uint32Array(this.#memory.buffer, at, length));
  }

  bytes(at: number, length: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(new Uint8Array(this.#memory.buffer, at, length));
  }
}
