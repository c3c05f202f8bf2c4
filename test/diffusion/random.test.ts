import test from 'ava';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { UsageError } from '../../src/errors.js';

const random = new CounterRandom(42);

test('different purposes have different streams', (t) => {
  const all = Object.values(PURPOSE);
  t.is(new Set(all).size, all.length);
});

test('a stream is the same for any order of calls and any length', (t) => {
  const long = random.words(PURPOSE.bench, 3, 200_000);
  random.words(PURPOSE.shuffle, 1, 5);
  t.deepEqual(new CounterRandom(42).words(PURPOSE.bench, 3, 70_001), long.slice(0, 70_001));
  const normals = random.normals(PURPOSE.sampleNoise, 3, 17, 70_001);
  const stream = { key: [42, 0], purpose: PURPOSE.sampleNoise, index: 3, timestep: 17 } as const;
  t.deepEqual(new Arithmetic().gaussian(stream, 0, 70_001), normals);
});

test('each seed, purpose and index gives a different stream', (t) => {
  const first = (r: CounterRandom, purpose: 1 | 2, index: number) => r.words(purpose, index, 1)[0];
  const all = [
    first(random, 1, 0),
    first(random, 1, 1),
    first(random, 2, 0),
    first(new CounterRandom(43), 1, 0),
    first(new CounterRandom(42 + 2 ** 32), 1, 0),
  ];
  t.is(new Set(all).size, all.length);
});

test('uniform numbers fill their range evenly', (t) => {
  const x = random.uniform(PURPOSE.weights, 0, 200_000, -0.5, 1.5);
  const counts = new Array<number>(10).fill(0);
  for (const v of x) counts[Math.floor((v + 0.5) * 5)]!++;
  t.true(x.every((v) => v >= -0.5 && v < 1.5));
  for (const n of counts) t.true(Math.abs(n - 20_000) < 5 * Math.sqrt(18_000), `${n}`);
});

test('integers fill their range evenly', (t) => {
  const counts = new Array<number>(7).fill(0);
  for (const v of random.integers(PURPOSE.timestep, 0, 70_000, 7)) counts[v]!++;
  t.is(counts.length, 7);
  for (const n of counts) t.true(Math.abs(n - 10_000) < 5 * Math.sqrt(8600), `${n}`);
  t.deepEqual([...random.integers(PURPOSE.timestep, 0, 3, 1)], [0, 0, 0]);
});

test('a permutation contains every number once, with equal probability at each position', (t) => {
  for (const n of [0, 1, 2, 1000])
    t.deepEqual(
      [...random.permutation(PURPOSE.shuffle, 0, n)].sort((a, b) => a - b),
      Array.from({ length: n }, (_, i) => i),
    );
  const counts = new Map<string, number>();
  for (let epoch = 0; epoch < 6000; epoch++) {
    const order = random.permutation(PURPOSE.shuffle, epoch, 3).join('');
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  t.is(counts.size, 6);
  for (const n of counts.values()) t.true(Math.abs(n - 1000) < 5 * Math.sqrt(833), `${n}`);
});

test('an invalid seed is named', (t) => {
  t.throws(() => new CounterRandom(-1), { instanceOf: UsageError, message: /--seed/ });
});
