/**
 * A program is what the workers are handed: sections of phases of kernel calls. Every worker walks it, takes
 * its share of each call's items, and meets the others at a barrier after each phase. Calls within a phase
 * must not depend on one another.
 */

/**
 * A kernel argument: a constant, or one that moves with the iteration (`perStep`) of a program that is
 * run over a range of steps, or with the worker (`perWorker`: scratch memory).
 */
export type Argument =
  | number
  | { readonly base: number; readonly perStep: number }
  | { readonly base: number; readonly perWorker: number };

export interface Call {
  /** Name of an export of the module (assembly/index.ts). */
  readonly kernel: string;
  /** All arguments but the last two, which are the worker's range [begin, end) of `items`. */
  readonly args: readonly Argument[];
  /** Size of the range that the workers share out. */
  readonly items: number;
  /** Ranges begin at multiples of this (default 1). */
  readonly grain?: number;
  /** What the call is part of, for tables of times; it changes nothing. */
  readonly label?: string;
}

export type Phase = readonly Call[];

/** Phases under a name; a run reports the time of each. */
export interface Section {
  readonly name: string;
  readonly phases: readonly Phase[];
}

export type Program = readonly Section[];

/** [begin, end) of `items` for worker `rank` of `size`; begin is a multiple of `grain`. */
export function share(
  items: number,
  grain: number,
  rank: number,
  size: number,
): [begin: number, end: number] {
  const grains = Math.ceil(items / grain);
  const begin = Math.floor((grains * rank) / size) * grain;
  const end = Math.floor((grains * (rank + 1)) / size) * grain;
  return [Math.min(begin, items), Math.min(end, items)];
}
