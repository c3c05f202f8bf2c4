import { type Call, type Phase, share } from '../../src/engine/program.js';
import type { Bench } from './kernels.js';

/** The value of an argument for a worker. */
function resolve(argument: Call['args'][number], rank: number): number | boolean {
  if (typeof argument !== 'object') return argument;
  return 'perWorker' in argument ? argument.base + rank * argument.perWorker : argument.base;
}

/** Walks a program as `bench.shares` workers would, the last worker first: within a phase no order may matter. */
export function walk(bench: Bench, program: readonly Phase[]): void {
  for (const phase of program)
    for (let rank = bench.shares - 1; rank >= 0; rank--)
      for (const { kernel, args, items, grain } of phase) {
        const [begin, end] = share({ items, grain: grain ?? 1 }, rank, bench.shares);
        const fn = bench.kernels[kernel] as (...args: readonly (number | boolean)[]) => void;
        if (begin < end) fn(...args.map((a) => resolve(a, rank)), begin, end);
      }
}
