import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { TAPS_WORDS, TILING_WORDS } from '../../src/engine/abi.js';
import { compile } from '../../src/engine/host/kernels.js';
import { createMemory, type Exports, instantiate } from '../../src/engine/module.js';
import { NULL, type Pointer, plus, pointer } from '../../src/engine/pointer.js';

const at = pointer(4096);

test('The types cover every exported function', (t) => {
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

test('Structures that the host writes have the layout of the kernels', (t) => {
  t.is(TILING_WORDS.length, 16);
  t.is(TAPS_WORDS.length, 12);
  t.is(TILING_WORDS.indexOf('plane'), 10);
  t.is(TAPS_WORDS[0], 'algorithm');
});

test('Pointers are passed as numbers', (t) => {
  const next: Pointer = plus(at, 64);
  t.is(next, pointer(4160));
  t.is(NULL, pointer(0));
});
