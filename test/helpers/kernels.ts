import test, { type ExecutionContext } from 'ava';
import { compile } from '../../src/engine/host/kernels.js';
import { type Build, createMemory, type Exports, instantiate } from '../../src/engine/module.js';
import { type Pointer, pointer } from '../../src/engine/pointer.js';
import { type KernelName, type PlainArguments, share } from '../../src/engine/program.js';

/** Kernels over a small memory of their own, with a bump allocator: what a kernel test needs. */
export class Bench {
  readonly kernels: Exports;
  readonly memory: WebAssembly.Memory;
  readonly build: Build;
  readonly shares: number;
  private top = 4096;
  private floor = 4096;

  constructor(build: Build, shares: number, { bytes = 64 << 20, wide = false } = {}) {
    this.build = build;
    this.shares = shares;
    this.memory = createMemory(bytes);
    this.kernels = instantiate(compile(build), this.memory, wide);
  }

  /** Reserves bytes; `misalign` shifts the address to show that kernels need no alignment. */
  alloc(bytes: number, misalign = 0): Pointer {
    const at = this.top + misalign;
    this.top = (at + bytes + 255) & ~63;
    if (this.top > this.memory.buffer.byteLength) throw new Error('Bench: out of memory');
    return pointer(at);
  }

  /** Copies values into new memory and returns its address. */
  put(values: Float32Array | Int32Array | Uint32Array | Uint8Array, misalign = 0): Pointer {
    const at = this.alloc(values.byteLength, misalign);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    new Uint8Array(this.memory.buffer).set(bytes, at);
    return pointer(at);
  }

  f32(at: number, length: number): Float32Array {
    return new Float32Array(this.bytes(at, 4 * length).buffer);
  }

  f64(at: number, length: number): Float64Array {
    return new Float64Array(this.bytes(at, 8 * length).buffer);
  }

  u8(at: number, length: number): Uint8Array {
    return this.bytes(at, length);
  }

  u32(at: number, length: number): Uint32Array {
    return new Uint32Array(this.bytes(at, 4 * length).buffer);
  }

  /** Keeps what is allocated so far through every `reset`. */
  mark(): void {
    this.floor = this.top;
  }

  /** Frees what was allocated since `mark`, for loops over many cases. */
  reset(): void {
    this.top = this.floor;
  }

  /** Runs a kernel over [0, items) in `shares` parts, as that many workers would. */
  run<K extends KernelName>(kernel: K, args: PlainArguments<K>, items: number, grain = 1): void {
    this.runRange(kernel, args, 0, items, grain);
  }

  /** Runs a kernel over [first, last) in `shares` parts. */
  runRange<K extends KernelName>(
    kernel: K,
    args: PlainArguments<K>,
    first: number,
    last: number,
    grain = 1,
  ): void {
    const fn = this.kernels[kernel] as (...args: readonly unknown[]) => void;
    for (let rank = 0; rank < this.shares; rank++) {
      const [begin, end] = share({ items: last - first, grain }, rank, this.shares);
      if (begin < end) fn(...args, first + begin, first + end);
    }
  }

  private bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.memory.buffer).slice(at, at + length);
  }
}

/** Declares one test for each build, whole and in three shares. */
export function eachBuild(title: string, body: (t: ExecutionContext, bench: Bench) => void): void {
  for (const build of ['strict', 'relaxed'] as const)
    for (const shares of [1, 3])
      test(`${title} (${build}, ${shares} ${shares === 1 ? 'share' : 'shares'})`, (t) => {
        body(t, new Bench(build, shares));
      });
}

/**
 * Declares one test for each build that runs `body` whole and in three shares: besides what it asserts, the
 * arrays it returns must have the same bits for both.
 */
export function eachSplit(
  title: string,
  body: (t: ExecutionContext, bench: Bench) => (Float32Array | Float64Array)[],
): void {
  for (const build of ['strict', 'relaxed'] as const)
    test(`${title} (${build}, the same bits whole and in 3 shares)`, (t) => {
      const [whole, shared] = [1, 3].map((shares) => body(t, new Bench(build, shares)));
      for (const [i, array] of whole!.entries())
        t.deepEqual(bits(shared![i]!), bits(array), `output ${i} depends on the split`);
    });
}

/** The bytes of an array: tells −0 from 0 and one NaN from another. */
export const bits = (array: ArrayBufferView): Buffer =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** Asserts |got − expected| ≤ atol + rtol·|expected| for every element; a failure names the worst one. */
export function close(
  t: ExecutionContext,
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol = 0, rtol = 0, what = 'values' } = {},
): void {
  t.is(got.length, expected.length, `${what}: length`);
  let worst = -1;
  let excess = 0;
  for (let i = 0; i < expected.length; i++) {
    const over = Math.abs(got[i]! - expected[i]!) - (atol + rtol * Math.abs(expected[i]!));
    if (!(over <= excess)) {
      worst = i;
      excess = over;
      if (Number.isNaN(over)) break;
    }
  }
  if (worst >= 0) t.fail(`${what}[${worst}]: expected ${expected[worst]}, got ${got[worst]}`);
  else t.pass();
}

/** Repeatable values in [-1, 1), for inputs. */
export function values(length: number, seed = 1): Float32Array {
  let state = (seed * 2654435761) >>> 0;
  return Float32Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2147483648 - 1;
  });
}
