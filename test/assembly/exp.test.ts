import test from 'ava';
import { Bench, bits, eachBuild, eachSplit, values } from '../helpers/kernels.js';

/** Bit patterns with every exponent and sign, 16411 (a prime) apart: 2¹⁸, −∞ and NaN among them. */
const everywhere = (): Float32Array => {
  const patterns = Uint32Array.from({ length: 1 << 18 }, (_, i) => Math.imul(i, 16411));
  return new Float32Array(patterns.buffer).map((v) => (v < 127.5 ? v : Number.isNaN(v) ? NaN : -v));
};

/** Between −128 and 127, where the results are neither 1 nor out of reach. */
const within = (): Float32Array => values(1 << 18, 3).map((v) => v * 127.5 - 0.5);

const EDGES = [0, -0, NaN, -Infinity, 1, -1, 127, 127.4375, -125.5, -126, -126.5, -127, 0.5, -0.5];

function run(bench: Bench, x: Float32Array): Float32Array {
  const out = bench.alloc(x.byteLength);
  bench.run('powersOfTwo', [out, bench.put(x)], x.length / 4);
  return bench.f32(out, x.length);
}

/** The greatest distance of `got` from 2ˣ, or from 2⁻¹²⁶ where that is more, in units in the last place. */
function worst(x: Float32Array, got: Float32Array) {
  let [ulps, at] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    if (Number.isNaN(x[i]!) !== Number.isNaN(got[i]!)) return { ulps: Infinity, at: x[i]! };
    if (Number.isNaN(x[i]!)) continue;
    const exact = 2 ** Math.max(-126, x[i]!);
    const distance = Math.abs(got[i]! - exact) / 2 ** (Math.floor(Math.log2(exact)) - 23);
    if (!(distance <= ulps)) [ulps, at] = [distance, x[i]!];
  }
  return { ulps, at };
}

eachBuild(
  'powersOfTwo is within 1.5 ulp of the exact value for every kind of number',
  (t, bench) => {
    const edges = Float32Array.from([...EDGES, 0, 0]);
    for (const x of [everywhere(), within(), edges]) {
      const { ulps, at } = worst(x, run(bench, x));
      t.true(ulps <= 1.5, `2^${at} is off by ${ulps} ulp`);
    }
  },
);

eachBuild('powersOfTwo of whole numbers is exact', (t, bench) => {
  const x = Float32Array.from({ length: 256 }, (_, i) => Math.min(127, i - 126));
  t.deepEqual(
    [...run(bench, x)],
    Array.from(x, (v) => 2 ** v),
  );
});

eachSplit('powersOfTwo in place gives the same bits', (t, bench) => {
  const at = bench.put(values(72, 4).map((v) => v * 120));
  const apart = run(bench, bench.f32(at, 72));
  bench.run('powersOfTwo', [at, at], 18);
  t.deepEqual(bits(bench.f32(at, 72)), bits(apart));
  return [apart];
});

test('the fused build changes powersOfTwo by two steps at most', (t) => {
  const x = within();
  const [strict, relaxed] = (['strict', 'relaxed'] as const).map(
    (build) => new Uint32Array(run(new Bench(build, 1), x).buffer),
  );
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(strict![i]! - relaxed![i]!));
  t.true(most > 0 && most <= 2, `${most} steps`);
});
