import { bits, close, eachBuild, eachSplit, values } from '../helpers/kernels.js';

const silu = (z: number): number => z / (1 + Math.exp(-z));
const slope = (z: number): number => {
  const sigmoid = 1 / (1 + Math.exp(-z));
  return sigmoid * (1 + z * (1 - sigmoid));
};

/** Many values in [low, high), whole quads. */
const between = (low: number, high: number): Float32Array =>
  values(1 << 14, 3).map((v) => low + ((v + 1) / 2) * (high - low));

/** Half the distance between neighbouring floats is at most this part of a value. */
const ULP = 2 ** -23;

eachSplit('silu is within the stated errors of z/(1 + e⁻ᶻ) wherever it is normal', (t, bench) => {
  // In units in the last place, as the kernel states them.
  const below = bench.build === 'strict' ? 2.5 : 5.5;
  return [
    { low: -1e-3, high: 1e-3, ulps: 2.01 },
    { low: -5, high: 5, ulps: 2.01 },
    { low: 5, high: 100, ulps: 2.01 },
    { low: -30, high: -5, ulps: below },
    { low: -87, high: -30, ulps: below },
  ].map(({ low, high, ulps }) => {
    bench.reset();
    const x = between(low, high);
    const y = bench.alloc(x.byteLength, 4);
    bench.run('silu', [y, bench.put(x, 8)], x.length / 4);
    const got = bench.f32(y, x.length);
    close(t, got, [...x].map(silu), { rtol: ulps * ULP, what: `silu in [${low}, ${high})` });
    return got;
  });
});

eachSplit('siluBackward multiplies by the slope, in place', (t, bench) =>
  [
    { low: -5, high: 5, atol: 4 * ULP, rtol: 0 },
    // 1 + z·(1 − σ): the last digit of σ counts z times.
    { low: 5, high: 100, atol: 10 * ULP, rtol: 0 },
    { low: -30, high: -5, atol: 0, rtol: 6 * ULP },
    { low: -87, high: -30, atol: 0, rtol: 7 * ULP },
  ].map(({ low, high, atol, rtol }) => {
    bench.reset();
    const x = between(low, high);
    const d = between(-2, 2);
    const dx = bench.put(d);
    bench.run('siluBackward', [dx, bench.put(x, 4)], x.length / 4);
    const got = bench.f32(dx, x.length);
    const expected = [...x].map((z, i) => d[i]! * slope(z));
    close(t, got, expected, { atol: 2 * atol, rtol, what: `d·silu' in [${low}, ${high})` });
    return got;
  }),
);

eachBuild('the slope of silu matches finite differences', (t, bench) => {
  const x = between(-12, 12);
  const dx = bench.put(new Float32Array(x.length).fill(1));
  bench.run('siluBackward', [dx, bench.put(x)], x.length / 4);
  const h = 1e-5;
  const differences = [...x].map((z) => (silu(z + h) - silu(z - h)) / (2 * h));
  close(t, bench.f32(dx, x.length), differences, { atol: 12 * ULP });
});

eachBuild('silu handles huge, tiny and NaN values', (t, bench) => {
  const run = (kernel: 'silu' | 'siluBackward', x: readonly number[]) => {
    bench.reset();
    const at = bench.put(Float32Array.from(x));
    const out = bench.put(new Float32Array(x.length).fill(1));
    bench.run(kernel, [out, at], x.length / 4);
    return bench.f32(out, x.length);
  };
  const tiny = [0, 2 ** -149, -(2 ** -149), 2 ** -126];
  t.deepEqual([...run('silu', tiny)].slice(0, 1), [0]);
  // Halved; the smallest of all is rounded to 0.
  close(t, run('silu', tiny), [0, 0, 0, 2 ** -127], { atol: 0 });
  t.deepEqual(run('siluBackward', tiny), new Float32Array(4).fill(0.5));
  const huge = Float32Array.of(90, 1e10, 3.4e38, Number.POSITIVE_INFINITY);
  t.deepEqual(run('silu', [...huge]), huge);
  t.deepEqual([...run('siluBackward', [...huge])].slice(0, 3), [1, 1, 1]);
  const low = [-88, -1e10, -3.4e38, Number.NEGATIVE_INFINITY];
  for (const kernel of ['silu', 'siluBackward'] as const)
    for (const v of run(kernel, low)) t.true(v < 0 && v > -1.5e-36, `${kernel}: ${v}`);
  for (const kernel of ['silu', 'siluBackward'] as const) {
    const got = run(kernel, [Number.NaN, 1, Number.NaN, 1]);
    t.deepEqual([...got].map(Number.isNaN), [true, false, true, false], kernel);
  }
});

eachBuild('silu and siluBackward touch only their quads, for lengths 0 to 17', (t, bench) => {
  const x = values(4 * 24, 5);
  for (let quads = 0; quads <= 17; quads++)
    for (const begin of [0, 1, 2, 3]) {
      bench.reset();
      const [from, y] = [bench.put(x, 4), bench.put(x, 8)];
      bench.runRange('silu', [y, from], begin, begin + quads);
      const within = (i: number) => i >= 4 * begin && i < 4 * (begin + quads);
      const got = bench.f32(y, x.length);
      close(
        t,
        got,
        [...x].map((v, i) => (within(i) ? silu(v) : v)),
        { rtol: 3 * ULP },
      );
      bench.runRange('silu', [from, from], begin, begin + quads);
      t.deepEqual(bits(bench.f32(from, x.length)), bits(got), 'in place');
      const [at, dx] = [bench.put(x), bench.put(x)];
      bench.runRange('siluBackward', [dx, at], begin, begin + quads);
      const turned = [...x].map((v, i) => (within(i) ? v * slope(v) : v));
      close(t, bench.f32(dx, x.length), turned, { atol: 4 * ULP });
    }
});
