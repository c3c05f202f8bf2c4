import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { TAPS_WORDS, TILING_WORDS } from '../../src/engine/abi.js';
import { compile, createMemory, type Exports, instantiate } from '../../src/engine/module.js';
import { NULL, type Pointer, plus, pointer } from '../../src/engine/pointer.js';
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
  call('reluBackward', [at, { base: number, perWorker: 64 }], 1),
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

test('The types name every function that the module exports', (t) => {
  const { memory, ...kernels } = instantiate(compile('strict'), createMemory(65536)) as Exports & {
    memory: unknown;
  };
  t.true(memory instanceof WebAssembly.Memory);
  const text = readFileSync(new URL('../../../src/engine/abi.ts', import.meta.url), 'utf8');
  const named = [...text.matchAll(/^ {2}(\w+)\(/gm)].map(([, name]) => name!);
  t.deepEqual(named.sort(), Object.keys(kernels).sort());
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, ['tools/abi.js', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  t.is(status, 0, stderr);
});

test('Structures that the host writes have the fields of the kernels', (t) => {
  t.is(TILING_WORDS.length, 16);
  t.is(TAPS_WORDS.length, 12);
  t.is(TILING_WORDS.indexOf('plane'), 10);
  t.is(TAPS_WORDS[0], 'algorithm');
});

test('Pointers are numbers', (t) => {
  const next: Pointer = plus(at, 64);
  t.is(next, pointer(4160));
  t.is(NULL, pointer(0));
});
