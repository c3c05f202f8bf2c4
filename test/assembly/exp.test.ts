import test from 'ava';
import { Bench, bits, eachBuild, eachSplit, values } from '../helpers/kernels.js';

/** Bit patterns with every exponent and sign, and 16411 (a prime) apart: 2¹⁸, infinities and NaN among them. */
const everywhere = (): Float32Array => {
  const patterns = Uint32Array.from({ length: 1 << 18 }, (_, i) => Math.imul(i, 16411));
  return new Float32Array(patterns.buffer);
};

/** Between −110 and 95, where the results are neither 1 nor beyond the range. */
const within = (): Float32Array => values(1 << 18, 3).map((v) => v * 102.5 - 7.5);

const EDGES = [
  ...[0, -0, Infinity, -Infinity, NaN, 1, -1, 88.72283, 88.72284, 89, 90, 3e38, -3e38],
  ...[-87.33654, -87.33655, -88, -103.27893, -103.97, -103.98, -104, -105, 1e-45, -1e-45],
];

const [EXP, EXP_NORMAL, EXP2] = [0, 1, 2];

function run(bench: Bench, kind: number, x: Float32Array): Float32Array {
  const out = bench.alloc(x.byteLength);
  bench.run('exponentials', [out, bench.put(x), kind], x.length / 4);
  return bench.f32(out, x.length);
}

/** The distance from an f32 to the next of its binade. */
const ulp = (value: number): number => 2 ** (Math.max(-126, Math.floor(Math.log2(value))) - 23);

/** The greatest distance of `got` from the exact values, in units in the last place; infinite where ∞ or NaN is amiss. */
function worst(x: Float32Array, got: Float32Array, exact: (v: number) => number) {
  let [ulps, at] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    const expected = exact(x[i]!);
    // From the greatest f32 and half a step on, the nearest is ∞.
    if (Number.isNaN(expected) || expected >= 2 ** 128 * (1 - 2 ** -25)) {
      const nearest = Number.isNaN(expected) ? NaN : Infinity;
      if (!Object.is(got[i], nearest)) return { ulps: Infinity, at: x[i]! };
      continue;
    }
    const distance = Math.abs(got[i]! - expected) / ulp(Math.max(expected, 2 ** -149));
    if (!(distance <= ulps)) [ulps, at] = [distance, x[i]!];
  }
  return { ulps, at };
}

eachBuild('exp is within 1 ulp of the exact value for every kind of number', (t, bench) => {
  const edges = Float32Array.from([...EDGES, ...new Array(4 - (EDGES.length % 4)).fill(0)]);
  for (const x of [everywhere(), within(), edges]) {
    const { ulps, at } = worst(x, run(bench, EXP, x), Math.exp);
    t.true(ulps <= 1, `e^${at} is off by ${ulps} ulp`);
  }
});

eachBuild('expNormal gives what exp gives between -87 and 88, and stays there', (t, bench) => {
  const x = within();
  const clamped = x.map((v) => Math.min(88, Math.max(-87, v)));
  t.true(bits(run(bench, EXP_NORMAL, x)).equals(bits(run(bench, EXP, clamped))));
  const odd = run(bench, EXP_NORMAL, Float32Array.of(NaN, Infinity, -Infinity, -0));
  const ends = run(bench, EXP, Float32Array.of(88, 88, -87, 0));
  t.deepEqual([...odd], [NaN, ...ends.slice(1)]);
});

eachBuild('exp2 is within 1.5 ulp of the exact value, and stays above 2^-126', (t, bench) => {
  const x = within().map((v) => v * 1.3);
  const { ulps, at } = worst(x, run(bench, EXP2, x), (v) => 2 ** Math.max(-126, v));
  t.true(ulps <= 1.5, `2^${at} is off by ${ulps} ulp`);
  const odd = run(bench, EXP2, Float32Array.of(NaN, 0, -Infinity, 127));
  t.deepEqual([...odd], [NaN, 1, 2 ** -126, 2 ** 127]);
});

eachSplit('exp in place gives the same bits', (t, bench) => {
  const at = bench.put(values(72, 4).map((v) => v * 90));
  const apart = run(bench, EXP, bench.f32(at, 72));
  bench.run('exponentials', [at, at, EXP], 18);
  t.deepEqual(bits(bench.f32(at, 72)), bits(apart));
  return [apart];
});

test('the fused build changes exp by one step at most', (t) => {
  const x = within();
  const [strict, relaxed] = (['strict', 'relaxed'] as const).map(
    (build) => new Uint32Array(run(new Bench(build, 1), EXP, x).buffer),
  );
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(strict![i]! - relaxed![i]!));
  t.is(most, 1);
});
