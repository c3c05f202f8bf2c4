import test from 'ava';
import { Engine } from '../../src/engine/engine.js';
import { bestBuild, lackOfWideVectors, wideByDefault } from '../../src/engine/host/kernels.js';
import { type Pointer, plus, plusFloats } from '../../src/engine/pointer.js';
import { call, type Program } from '../../src/engine/program.js';
import { EngineError, UsageError } from '../../src/errors.js';
import { engineOf, FREE } from '../helpers/engine.js';
import { bits, values } from '../helpers/kernels.js';

const row = (k: number) => plus(FREE, 32 * k);

test('A program runs its sections in order and reports the time of each', async (t) => {
  const engine = engineOf(t, 2);
  engine.floats(row(0), 8).fill(1);
  const add = (to: number, from: number) => [
    call('copyChannels', [row(to), 8, row(from), 8, 8, true], 1),
  ];
  const program = engine.load([
    { name: 'first', phases: [add(1, 0), add(2, 1)] },
    { name: 'second', phases: [add(2, 1)] },
    { name: 'first', phases: [add(1, 2)] },
  ]);
  const times = await engine.run(program);
  t.deepEqual([...engine.floats(row(1), 1), ...engine.floats(row(2), 1)], [3, 2]);
  t.deepEqual(Object.keys(times), ['first', 'second']);
  for (const ms of Object.values(times)) t.true(ms >= 0 && Number.isFinite(ms));
});

test('An argument can depend on the step, and a program runs over a range of steps', async (t) => {
  const engine = engineOf(t, 2);
  engine.floats(row(0), 8).fill(7);
  const out = { base: row(1), perStep: 32 };
  const copy = call('copyChannels', [out, 8, row(0), 8, 8, false], 1);
  const program = engine.load([{ name: 'copy', phases: [[copy]] }]);
  await engine.run(program, 2, 5);
  const written = Array.from({ length: 7 }, (_, step) => engine.floats(row(1 + step), 1)[0]);
  t.deepEqual(written, [0, 0, 7, 7, 7, 0, 0]);
  t.deepEqual(await engine.run(program, 3, 3), {}, 'an empty range does nothing');
});

test('An argument can depend on the worker', async (t) => {
  const engine = engineOf(t, 3);
  engine.floats(row(0), 24).set(values(24));
  const out = { base: row(8), perWorker: 64, workers: 4 };
  const copy = call('copyChannels', [out, 0, row(0), 8, 8, false], 3);
  await engine.run(engine.load([{ name: 'copy', phases: [[copy]] }]));
  for (const rank of [0, 1, 2])
    t.deepEqual(engine.floats(row(8 + 2 * rank), 8), engine.floats(row(rank), 8));
});

test('More workers than have scratch are refused', async (t) => {
  const engine = engineOf(t, 3);
  const out = { base: row(8), perWorker: 64, workers: 2 };
  const copy = call('copyChannels', [out, 0, row(0), 8, 8, false], 3);
  await t.throwsAsync(engine.run(engine.load([{ name: 'copy', phases: [[copy]] }])), {
    instanceOf: EngineError,
    message: /^worker 2 stopped while running copyChannels: only 2 workers have scratch for it$/,
  });
});

/** Random numbers, sums over them, and steps of Adam: each phase reads what all workers wrote in the one before. */
const mixed: Program = (() => {
  const floats = 4096;
  const part = (k: number) => plusFloats(FREE, floats * k);
  const [x, g, m, v] = [part(0), part(1), part(2), part(3)];
  const [partial, sums, rates] = [part(4), part(5), part(6)];
  const drawn = (at: Pointer, purpose: number) =>
    call('gaussian', [at, 1, 2, purpose, { base: 0, perStep: 1 }, 0], floats, { grain: 4 });
  return [
    { name: 'draw', phases: [[drawn(g, 0), drawn(rates, 1)]] },
    {
      name: 'step',
      phases: [
        [call('adam', [x, g, m, v, rates], floats / 8)],
        [call('columnSums', [partial, x, floats / 8, 8, 8], 2)],
        [call('joinColumnSums', [sums, 8, partial, 2, 8, 8], 8)],
        [call('copyChannels', [x, 8, sums, 0, 8, true], floats / 8)],
      ],
    },
  ];
})();

test('Any number of threads gives the same bytes', async (t) => {
  const results = [];
  for (const threads of [1, 2, 3]) {
    const engine = engineOf(t, threads);
    await engine.run(engine.load(mixed), 0, 4);
    results.push(bits(engine.floats(FREE, 7 * 4096)).toString('base64'));
  }
  t.true(results[0]!.length > 1000 && !/^A*=*$/.test(results[0]!));
  t.is(results[1], results[0]);
  t.is(results[2], results[0]);
});

test('With more threads than cores, no worker runs ahead of the others by many phases', async (t) => {
  const engine = engineOf(t, 7);
  const rows = 64;
  const [a, b] = [row(0), row(rows)];
  const numbers = Float32Array.from({ length: 8 * rows }, (_, i) => i >> 3);
  engine.floats(a, 8 * rows).set(numbers);
  /** Every row goes to the one before, and the first to the end. */
  const rotate = (to: Pointer, from: Pointer) => [
    call('copyChannels', [to, 8, plus(from, 32), 8, 8, false], rows - 1),
    call('copyChannels', [plus(to, 32 * (rows - 1)), 8, from, 8, 8, false], 1),
  ];
  const phases = Array.from({ length: 100 }, () => [rotate(b, a), rotate(a, b)]).flat();
  await engine.run(engine.load([{ name: 'rotate', phases }]), 0, 3);
  const turns = (3 * phases.length) % rows;
  t.deepEqual(
    engine.floats(a, 8 * rows),
    numbers.map((n) => (n + turns) % rows),
  );
});

test('An invalid number of threads is a UsageError', (t) => {
  for (const threads of [0, -1, 1.5, 257, Number.NaN])
    t.throws(() => Engine.create({ threads, bytes: 1 << 16 }), {
      instanceOf: UsageError,
      message: `--threads: expected a whole number from 1 to 256, got ${threads}`,
    });
});

test('Memory above 4 GiB is refused by name', (t) => {
  t.throws(() => Engine.create({ threads: 1, bytes: 5 * 2 ** 30 }), {
    instanceOf: EngineError,
    message: '5.00 GiB of memory: WebAssembly addresses 4.00 GiB',
  });
});

test('The description names build and threads', (t) => {
  const bits = wideByDefault() ? ' of 256 bits' : '';
  t.is(engineOf(t, 1).description, `strict SIMD${bits}, 1 thread`);
  t.is(engineOf(t, 2, false).description, `${bestBuild()} SIMD${bits}, 2 threads`);
});

test('Wide vectors are reported if available, and refused with the reason otherwise', async (t) => {
  const create = () => Engine.create({ threads: 1, strict: true, wide: true, bytes: 1 << 16 });
  const lack = lackOfWideVectors();
  if (lack !== null) {
    t.throws(create, { instanceOf: UsageError, message: `--wide: ${lack}` });
    return;
  }
  const engine = create();
  t.is(engine.description, 'strict SIMD of 256 bits, 1 thread');
  await engine.destroy();
});

test('An engine can be destroyed twice, and refuses to run afterwards', async (t) => {
  const engine = engineOf(t, 2);
  const program = engine.load(mixed);
  await engine.run(program);
  await engine.destroy();
  await engine.destroy();
  await t.throwsAsync(engine.run(program), { instanceOf: EngineError });
});
