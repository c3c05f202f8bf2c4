/** Runs single kernels in the pool on the caller's arrays: for benchmarks, whose programs are one call. */

import { Arena } from './arena.js';
import { Engine, type LoadedProgram } from './engine.js';
import type { Build, KernelChoice } from './module.js';
import type { Pointer } from './pointer.js';
import type { Arguments, Call, KernelName } from './program.js';

type Values = Float32Array | Uint32Array | Uint8Array;

/** The placeholder for the kernel's output among its arguments. */
export const OUTPUT = Symbol('output');

/** The caller's form of an argument: for a pointer an array or the output. */
type Given<T> = T extends { readonly base: unknown }
  ? never
  : T extends Pointer
    ? Values | typeof OUTPUT
    : T;

type GivenFor<A extends readonly unknown[]> = { readonly [I in keyof A]: Given<A[I]> };

/** A kernel call: arrays are copied to shared memory once, numbers are passed on. */
interface KernelCallOf<K extends KernelName> {
  readonly kernel: K;
  /** All arguments but the range. */
  readonly args: GivenFor<Arguments<K>>;
  readonly items: number;
  readonly grain?: number;
  /** The output's type and length. */
  readonly output: { readonly type: 'f32' | 'u8'; readonly length: number };
}

export type KernelCall = { [K in KernelName]: KernelCallOf<K> }[KernelName];

interface Loaded {
  readonly program: LoadedProgram;
  readonly at: Pointer;
}

export class KernelRunner<Name extends string> {
  readonly #engine: Engine;
  readonly #calls: Readonly<Record<Name, KernelCall>>;
  readonly #loaded = new Map<Name, Loaded>();
  readonly #inputs = new Map<Values, Pointer>();

  /** An array that several calls name is in memory once; each call has its own output. */
  constructor(
    calls: Readonly<Record<Name, KernelCall>>,
    engine: KernelChoice & { threads: number },
  ) {
    this.#calls = calls;
    const arena = new Arena();
    const inputs = this.#inputs;
    const names = Object.keys(calls) as Name[];
    for (const name of names)
      for (const arg of calls[name].args)
        if (typeof arg === 'object' && !inputs.has(arg))
          inputs.set(arg, arena.bytes('inputs', arg.byteLength));
    const outputs = names.map((name) => arena.bytes('outputs', bytes(calls[name].output)));
    this.#engine = Engine.create({ ...engine, bytes: arena.size });
    for (const values of inputs.keys()) this.write(values, values);
    for (const [i, name] of names.entries()) {
      const at = outputs[i]!;
      const { kernel, items, grain = 1 } = calls[name];
      const args = calls[name].args.map((arg: number | boolean | Values | typeof OUTPUT) =>
        arg === OUTPUT ? at : typeof arg === 'object' ? inputs.get(arg)! : arg,
      );
      // The types are right: kernel and arguments come from the same call.
      const phases = [[{ kernel, args, items, grain } as unknown as Call]];
      this.#loaded.set(name, { program: this.#engine.load([{ name: kernel, phases }]), at });
    }
  }

  get build(): Build {
    return this.#engine.build;
  }

  /** Overwrites the copy of `input`, an array of the calls. */
  write(input: Values, contents: Values): void {
    const { buffer } = this.#engine.memory;
    const bytes = new Uint8Array(contents.buffer, contents.byteOffset, contents.byteLength);
    new Uint8Array(buffer, this.#inputs.get(input)!, input.byteLength).set(bytes);
  }

  /** Runs the call `times` times in one task per worker. */
  async run(name: Name, times: number): Promise<void> {
    await this.#engine.run(this.#loaded.get(name)!.program, 0, times);
  }

  /** A copy of the last run's output. */
  output(name: Name): Float32Array | Uint8Array {
    const { type, length } = this.#calls[name].output;
    const { buffer } = this.#engine.memory;
    const { at } = this.#loaded.get(name)!;
    return type === 'f32'
      ? new Float32Array(buffer, at, length).slice()
      : new Uint8Array(buffer, at, length).slice();
  }

  async destroy(): Promise<void> {
    await this.#engine.destroy();
  }
}

const bytes = ({ type, length }: KernelCall['output']) => (type === 'f32' ? 4 * length : length);
