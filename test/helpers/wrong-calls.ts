import type { Exports } from '../../src/engine/module.js';
import { pointer } from '../../src/engine/pointer.js';
import { type Call, call } from '../../src/engine/program.js';

const at = pointer(4096);

/*
 * What must not compile: each of these lines is an error of the compiler, or the compiler says that it is none. None of
 * them runs.
 */
export const wrongCalls = (number: number, name: string): readonly Call[] => [
  call('reluBackward', [at, at], 1),
  // @ts-expect-error no kernel has this name
  call('reluBackwards', [at, at], 1),
  // @ts-expect-error nor has one any name
  call(name, [at, at], 1),
  // @ts-expect-error an argument is missing
  call('reluBackward', [at], 1),
  // @ts-expect-error one is too many
  call('reluBackward', [at, at, at], 1),
  // @ts-expect-error a number is no pointer
  call('reluBackward', [at, number], 1),
  // @ts-expect-error a pointer is no stride
  call('copyChannels', [at, at, at, 8, 8, false], 1),
  // @ts-expect-error a pointer is no float
  call('scaleShiftConstant', [at, 8, at, 8, 8, 8, at, 0, false], 1),
  // @ts-expect-error a number is no bool
  call('copyChannels', [at, 8, at, 8, 8, 1], 1),
  // @ts-expect-error a bool is no number
  call('copyChannels', [at, 8, at, 8, true, false], 1),
  // @ts-expect-error a bigint is no integer of 32 bits
  call('copyChannels', [at, 8, at, 8, 8n, false], 1),
  // @ts-expect-error what moves with the worker is no pointer where its base is none
  call('reluBackward', [at, { base: number, perWorker: 64, workers: 2 }], 1),
  // @ts-expect-error a call that was not made by `call` is held to the same
  { kernel: 'reluBackward', args: [at, 8], items: 1 },
  // @ts-expect-error the barrier has no range, and is no kernel of a program
  call('barrier', [at, 1, 10, 1n], 1),
];

export const wrongRoutines = (kernels: Exports): void => {
  // @ts-expect-error the wait is an i64
  kernels.barrier(at, 1, 10, 1);
  // @ts-expect-error a kernel that is called by hand has its range, too
  kernels.reluBackward(at, at);
  // @ts-expect-error an address that was computed is to be called a pointer
  kernels.reluBackward(at, at + 4, 0, 1);
};
