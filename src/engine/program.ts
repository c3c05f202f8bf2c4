import type { Kernels } from './abi.js';
import type { Integer, Pointer } from './pointer.js';

/**
 * A program is what workers run: sections of phases of kernel calls. Every worker walks it, computes
 * its share of each call's items, and meets the others at a barrier after each phase. Calls within a phase
 * must not depend on each other.
 */

/**
 * A kernel argument: a constant, or one that advances with the iteration (`perStep`) of a program that is
 * run over a range of steps, or with the worker (`perWorker`: scratch
 * memory, which only so many `workers` have).
 */
export type Argument<T extends number = Integer> =
  | T
  | { readonly base: T; readonly perStep: number }
  | { readonly base: T; readonly perWorker: number; readonly workers: number };

/** A pointer that may advance. */
export type Address = Argument<Pointer>;

export type KernelName = keyof Kernels;

/** All arguments of a kernel but the last two, which are the worker's range [begin, end) of the items. */
export type PlainArguments<K extends KernelName> =
  Parameters<Kernels[K]> extends [...infer A, begin: Integer, end: Integer] ? Readonly<A> : never;

type Moving<A extends readonly unknown[]> = {
  readonly [I in keyof A]: A[I] extends number ? Argument<A[I]> : A[I];
};

/** The same, where some may advance. */
export type Arguments<K extends KernelName> = Moving<PlainArguments<K>>;

export interface CallOf<K extends KernelName> {
  readonly kernel: K;
  readonly args: Arguments<K>;
  /** Size of the range that the workers divide. */
  readonly items: number;
  /** Ranges begin at multiples of this (default 1). */
  readonly grain?: number;
  /** The layer and pass that the call is part of, for tables of times; without effect on the run. */
  readonly label?: string;
}

/** A call of any kernel, with the arguments that it takes. */
export type Call = { [K in KernelName]: CallOf<K> }[KernelName];

/** Makes a call: here arguments are checked against the kernel's own, which a plain array's are not. */
export const call = <K extends KernelName>(
  kernel: K,
  args: Arguments<K>,
  items: number,
  options: Pick<CallOf<K>, 'grain' | 'label'> = {},
): CallOf<K> => ({ kernel, args, items, ...options });

/** Some of a call's arguments in order, for lists that are too long for a line: `[...tuple(a, b), ...tuple(c, d)]`. */
export const tuple = <const T extends readonly unknown[]>(...items: T): T => items;

export type Phase = readonly Call[];

/** Named phases; a run reports the time of each section. */
export interface Section {
  readonly name: string;
  readonly phases: readonly Phase[];
}

export type Program = readonly Section[];

/** [begin, end) of `items` for worker `rank` of `size`; begin is a multiple of `grain`. */
export function share(
  { items, grain = 1 }: Pick<Call, 'items' | 'grain'>,
  rank: number,
  size: number,
): [begin: number, end: number] {
  const grains = Math.ceil(items / grain);
  const begin = Math.floor((grains * rank) / size) * grain;
  const end = Math.floor((grains * (rank + 1)) / size) * grain;
  return [Math.min(begin, items), Math.min(end, items)];
}
