import test from 'ava';
import { plusFloats } from '../../src/engine/pointer.js';
import { Bench, close, eachBuild } from '../helpers/kernels.js';
import { boxMuller, normals, words } from '../helpers/philox.js';

const stream = { seed: [11, 22] as const, purpose: 3, index: 4, timestep: 5 };
const { seed, purpose, index, timestep } = stream;

/** f32 logarithm, sine and cosine are each good to a unit or two in the last place. */
const ulps = { atol: 1e-9, rtol: 4e-7 };

eachBuild('gaussian matches the Box-Muller transform in double precision', (t, bench) => {
  const length = 20000;
  const out = bench.alloc(4 * length);
  bench.run('gaussian', [out, ...seed, purpose, index, timestep], length);
  close(t, bench.f32(out, length), normals(stream, length), { ...ulps, what: 'normals' });
});

eachBuild('gaussian gives the same bits for any range and alignment', (t, bench) => {
  const whole = bench.alloc(4 * 80);
  bench.kernels.gaussian(whole, ...seed, purpose, index, timestep, 0, 80);
  const expected = bench.f32(whole, 80);
  bench.mark();
  for (const begin of [0, 1, 2, 3, 4, 7, 14, 16, 31])
    for (let length = 0; length <= 40; length++) {
      const out = bench.put(new Float32Array(80).fill(42), begin % 4);
      bench.runRange('gaussian', [out, ...seed, purpose, index, timestep], begin, begin + length);
      const want = new Float32Array(80).fill(42);
      want.set(expected.subarray(begin, begin + length), begin);
      t.deepEqual(bench.f32(out, 80), want, `[${begin}, ${begin + length})`);
      bench.reset();
    }
});

eachBuild('gaussian gives the same bits over many tiles', (t, bench) => {
  const whole = bench.alloc(4 * 3000);
  bench.kernels.gaussian(whole, ...seed, purpose, index, timestep, 0, 3000);
  const expected = bench.f32(whole, 3000);
  for (const [begin, end] of [
    [0, 3000],
    [5, 1031],
    [511, 2049],
  ] as const) {
    const out = bench.alloc(4 * 3000);
    bench.runRange('gaussian', [out, ...seed, purpose, index, timestep], begin, end);
    t.deepEqual(bench.f32(out, 3000).slice(begin, end), expected.slice(begin, end));
  }
});

eachBuild(
  'the noise of an image depends on its number and timestep, not on its slot in the batch',
  (t, bench) => {
    for (const elements of [1, 3, 16, 25, 48]) {
      const numbers = [9, 0, 4294967295, 9, 2];
      const indices = bench.put(Uint32Array.from(numbers));
      const step = bench.put(Uint32Array.of(17));
      const items = elements * numbers.length;
      const out = bench.put(new Float32Array(items), 1);
      const last = bench.put(new Float32Array(items), 2);
      bench.run('gaussianImages', [out, indices, step, elements, ...seed, purpose], items);
      bench.runRange(
        'gaussianImages',
        [last, indices, step, elements, ...seed, purpose],
        items - 2,
        items,
      );
      const expected = numbers.flatMap((number) => {
        const alone = bench.alloc(4 * elements);
        bench.run('gaussian', [alone, ...seed, purpose, number, 17], elements);
        return [...bench.f32(alone, elements)];
      });
      t.deepEqual([...bench.f32(out, items)], expected, `${elements} elements an image`);
      t.deepEqual(
        [...bench.f32(last, items)],
        expected.map((v, i) => (i < items - 2 ? 0 : v)),
      );
    }
  },
);

test('both builds draw the same bits', (t) => {
  const [strict, relaxed] = (['strict', 'relaxed'] as const).map((build) => {
    const bench = new Bench(build, 1);
    const out = bench.alloc(4 << 16);
    bench.run('gaussian', [out, ...seed, purpose, index, timestep], 1 << 16);
    return bench.u32(out, 1 << 16);
  });
  t.deepEqual(strict, relaxed);
});

/** Places, found by search, where the stream of this seed and purpose has an extreme radius word. */
const SMALLEST_U = { index: 237, element: 3278248, word: 0x00000001 };
const LARGEST_U = { index: 228, element: 1635870, word: 0xfffffffe };

eachBuild('the extreme words give the extreme normals, all finite', (t, bench) => {
  for (const { index, element, word } of [SMALLEST_U, LARGEST_U]) {
    const at = bench.alloc(64);
    const draw = (kernel: 'philox' | 'gaussian') =>
      bench.runRange(
        kernel,
        [plusFloats(at, -element), ...seed, purpose, index, 0],
        element,
        element + 2,
      );
    draw('philox');
    const [radius, angle] = bench.u32(at, 2);
    t.is(radius, word);
    draw('gaussian');
    close(t, bench.f32(at, 2), boxMuller(radius!, angle!), ulps);
  }
});

test('every radius word gives a finite radius of at most 6.67', (t) => {
  t.true(Math.hypot(...boxMuller(0, 0)) < 6.67);
  t.is(Math.hypot(...boxMuller(0xffffffff, 0)), 0);
});

/** A million normals; each bound below is four to five standard errors of what it measures. */
const COUNT = 1 << 20;

function draw(step: number): Float32Array {
  const bench = new Bench('strict', 1);
  const out = bench.alloc(4 * COUNT);
  bench.run('gaussian', [out, 2024, 0, purpose, 0, step], COUNT);
  return bench.f32(out, COUNT);
}

test('the normals have the moments of a standard normal', (t) => {
  const x = draw(0);
  const moment = (power: number) => x.reduce((sum, v) => sum + v ** power, 0) / COUNT;
  const error = 5 / Math.sqrt(COUNT);
  t.true(Math.abs(moment(1)) < error);
  t.true(Math.abs(moment(2) - 1) < error * Math.sqrt(2));
  t.true(Math.abs(moment(3)) < error * Math.sqrt(15));
  t.true(Math.abs(moment(4) - 3) < error * Math.sqrt(96));
});

test('the normals have the distribution of a standard normal, tails included', (t) => {
  const x = draw(1).sort();
  let distance = 0;
  for (let i = 0; i < COUNT; i++) distance = Math.max(distance, Math.abs(phi(x[i]!) - i / COUNT));
  t.true(distance < 1.95 / Math.sqrt(COUNT), `Kolmogorov–Smirnov distance ${distance}`);
  for (const bound of [3, 4]) {
    const expected = 2 * COUNT * (1 - phi(bound));
    const beyond = x.filter((v) => Math.abs(v) > bound).length;
    t.true(Math.abs(beyond - expected) < 5 * Math.sqrt(expected), `${beyond} beyond ${bound}`);
  }
});

test('neighbours, timesteps and their squares are uncorrelated', (t) => {
  const x = draw(2);
  const other = draw(3);
  const bound = 5 / Math.sqrt(COUNT);
  const correlation = (y: Float32Array, lag: number, power: number) => {
    const mean = power === 1 ? 0 : 1;
    let sum = 0;
    for (let i = 0; i + lag < COUNT; i++)
      sum += (x[i]! ** power - mean) * (y[i + lag]! ** power - mean);
    return sum / COUNT / (power === 1 ? 1 : 2);
  };
  for (const lag of [1, 2, 3, 4, 5, 16, 64]) {
    t.true(Math.abs(correlation(x, lag, 1)) < bound, `lag ${lag}`);
    t.true(Math.abs(correlation(x, lag, 2)) < bound, `squares at lag ${lag}`);
  }
  t.true(Math.abs(correlation(other, 0, 1)) < bound, 'another timestep');
});

test('the bits of the words are balanced', (t) => {
  const ones = new Uint32Array(32);
  const sample = words({ ...stream, seed: [0, 0] }, 20000);
  for (const word of sample) for (let bit = 0; bit < 32; bit++) ones[bit]! += (word >>> bit) & 1;
  for (const count of ones) t.true(Math.abs(count - 10000) < 5 * Math.sqrt(5000), `${count}`);
});

/** Cumulative normal distribution. */
function phi(x: number): number {
  const area = TABLE[Math.min(Math.floor(Math.abs(x) * PER_UNIT), TABLE.length - 1)]!;
  return x < 0 ? 0.5 - area : 0.5 + area;
}

/** Area under the normal density from 0 to (i + ½)/PER_UNIT, by the midpoint rule: good to 1e-5. */
const PER_UNIT = 1 << 14;
const TABLE = new Float64Array(7 * PER_UNIT);
for (let i = 0, area = 0; i < TABLE.length; i++) {
  const mass = Math.exp(-(((i + 0.5) / PER_UNIT) ** 2) / 2) / Math.sqrt(2 * Math.PI) / PER_UNIT;
  TABLE[i] = area + mass / 2;
  area += mass;
}

eachBuild('gaussianFrom continues the stream where earlier images ended', (t, bench) => {
  for (const each of [7, 12])
    for (const first of [0, 1, 5]) {
      bench.reset();
      const whole = bench.alloc(4 * 9 * each);
      const stream = [0xdeadbeef, 0x1234, 5, 12] as const;
      bench.run('gaussian', [whole, ...stream, 0], 9 * each);
      const part = bench.alloc(4 * 3 * each, 4);
      const at = bench.put(Uint32Array.of(first));
      bench.run('gaussianFrom', [part, at, each, ...stream], 3 * each);
      const expected = bench.f32(whole, 9 * each).subarray(first * each, (first + 3) * each);
      t.deepEqual(bench.f32(part, 3 * each), expected);
    }
});
