import { readFileSync } from 'node:fs';
import test from 'ava';
import { bestBuild, compile, lackOfWideVectors } from '../../src/engine/host/kernels.js';
import { type Build, createMemory, growMemory, instantiate } from '../../src/engine/module.js';
import { EngineError } from '../../src/errors.js';

const BUILDS: readonly Build[] = ['strict', 'relaxed'];
const read = (build: Build) =>
  readFileSync(new URL(`../../assembly/haze.${build}.wasm`, import.meta.url));

interface Entry {
  readonly module?: string;
  readonly name: string;
  readonly kind: string;
}
/** The reflection that Node has and the engine's own declarations leave out. */
const reflect = WebAssembly.Module as unknown as Record<
  'imports' | 'exports',
  (module: WebAssembly.Module) => Entry[]
>;

/** Ids of the sections of a WebAssembly binary. */
function sections(wasm: Uint8Array): number[] {
  const ids = [];
  for (let at = 8; at < wasm.length; ) {
    ids.push(wasm[at++]!);
    let size = 0;
    let shift = 0;
    for (let more = true; more; shift += 7) {
      more = wasm[at]! >= 128;
      size += (wasm[at++]! & 127) * 2 ** shift;
    }
    at += size;
  }
  return ids;
}

for (const build of BUILDS) {
  test(`The ${build} build has no static data, which many instances would share`, (t) => {
    const ids = sections(read(build));
    t.true(ids.includes(10), 'code');
    t.false(ids.includes(11), 'data');
    t.false(ids.includes(12), 'data count');
  });

  test(`The ${build} build imports nothing but memory and abort`, (t) => {
    for (const { module, name } of reflect.imports(compile(build)))
      t.true(['env.memory', 'env.abort'].includes(`${module}.${name}`), `${module}.${name}`);
  });

  test(`Instances of the ${build} build change nothing in memory when they start`, (t) => {
    const memory = createMemory(65536);
    const bytes = new Uint8Array(memory.buffer);
    bytes.fill(0x5a);
    instantiate(compile(build), memory);
    instantiate(compile(build), memory);
    t.true(bytes.every((b) => b === 0x5a));
  });
}

test('Both builds have the same kernels', (t) => {
  const [strict, relaxed] = BUILDS.map((build) =>
    reflect
      .exports(compile(build))
      .map(({ kind, name }) => `${kind} ${name}`)
      .sort(),
  );
  t.true(strict!.includes('function dense') && strict!.includes('function barrier'));
  t.deepEqual(relaxed, strict);
});

test('Relaxed SIMD is used exactly if its build compiles', (t) => {
  t.is(bestBuild() === 'relaxed', WebAssembly.validate(read('relaxed')));
  t.true(WebAssembly.validate(read('strict')));
});

test('Wide vectors need V8 13 or later, x64 and AVX2, and the message says what is missing', (t) => {
  const machine = {
    arch: 'x64',
    versions: { v8: '13.6.233.17-node.28', node: '24.0.0' },
    features: 'flags : fpu avx avx2 fma',
  };
  t.is(lackOfWideVectors(machine), null);
  t.is(lackOfWideVectors({ ...machine, features: null }), null, 'no system says so everywhere');
  t.is(
    lackOfWideVectors({ ...machine, features: 'flags : fpu avx' }),
    'expected a processor with AVX2, got one without',
  );
  t.is(lackOfWideVectors({ ...machine, arch: 'arm64' }), 'expected an x64 processor, got arm64');
  t.is(
    lackOfWideVectors({ ...machine, versions: { v8: '12.4.254.21-node.33', node: '22.1.0' } }),
    'expected Node 24 or newer, got Node 22.1.0',
  );
});

test('A module is compiled once, and memory consists of whole pages', (t) => {
  t.is(compile('strict'), compile('strict'));
  t.not(compile('strict'), compile('relaxed'));
  t.is(createMemory(0).buffer.byteLength, 65536);
  t.is(createMemory(65537).buffer.byteLength, 2 * 65536);
  t.throws(() => createMemory(2 ** 32 + 1), { instanceOf: EngineError });
  const memory = createMemory(65536, 2 ** 32);
  t.throws(() => growMemory(memory, 2 ** 32), { message: /WebAssembly addresses 4\.00 GiB$/ });
});
