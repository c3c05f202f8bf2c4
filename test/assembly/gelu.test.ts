import { bits, close, eachBuild, eachSplit, values } from '../helpers/kernels.js';

const K = 2 * Math.sqrt(2 / Math.PI);
const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
const inner = (x: number): number => K * (x + 0.044715 * x ** 3);
const gelu = (x: number): number => x * sigmoid(inner(x));
const slope = (x: number): number => {
  const s = sigmoid(inner(x));
  return s + x * s * (1 - s) * K * (1 + 3 * 0.044715 * x * x);
};

/** Many values in [low, high), whole eights. */
const between = (low: number, high: number): Float32Array =>
  values(1 << 14, 3).map((v) => low + ((v + 1) / 2) * (high - low));

const ULP = 2 ** -23;
/** The slope has the last digit of 1 − σ, which rounds to 0 near x = 5.3, times x·z', there 40. */
const SLOPE = 40 * ULP;

// e⁻ᶻ has the relative error of z times z, so far below 0 only the distance to 0 counts.
const RANGES = [
  { low: -0.01, high: 0.01, rtol: 3 * ULP, atol: 0 },
  { low: -3, high: 3, rtol: 2 * ULP, atol: 2 * ULP },
  { low: -20, high: 60, rtol: 2 * ULP, atol: 2 * ULP },
];

eachSplit('gelu is x·σ(z), the approximation by tanh', (t, bench) =>
  RANGES.map(({ low, high, ...tolerance }) => {
    bench.reset();
    const x = between(low, high);
    const y = bench.alloc(x.byteLength, 4);
    bench.run('gelu', [y, bench.put(x, 8)], x.length / 8);
    const got = bench.f32(y, x.length);
    close(t, got, [...x].map(gelu), { ...tolerance, what: `gelu in [${low}, ${high})` });
    const tanh = (v: number) => (v / 2) * (1 + Math.tanh(inner(v) / 2));
    close(t, got, [...x].map(tanh), { ...tolerance, what: 'by tanh' });
    return got;
  }),
);

eachSplit('geluBackward multiplies by the slope, in place', (t, bench) =>
  RANGES.map(({ low, high }) => {
    bench.reset();
    const x = between(low, high);
    const d = between(-2, 2);
    const dx = bench.put(d);
    bench.run('geluBackward', [dx, bench.put(x, 4)], x.length / 8);
    const got = bench.f32(dx, x.length);
    const expected = [...x].map((v, i) => d[i]! * slope(v));
    close(t, got, expected, { atol: 2 * SLOPE, what: `d·gelu' in [${low}, ${high})` });
    return got;
  }),
);

eachBuild('the slope of gelu matches finite differences', (t, bench) => {
  const x = between(-6, 6);
  const dx = bench.put(new Float32Array(x.length).fill(1));
  bench.run('geluBackward', [dx, bench.put(x)], x.length / 8);
  const h = 1e-5;
  const differences = [...x].map((v) => (gelu(v + h) - gelu(v - h)) / (2 * h));
  close(t, bench.f32(dx, x.length), differences, { atol: SLOPE });
});

eachBuild('gelu handles huge, tiny and NaN values, and touches only its items', (t, bench) => {
  // Four values, of either vector.
  const run = (kernel: 'gelu' | 'geluBackward', x: readonly number[]) => {
    bench.reset();
    const at = bench.put(Float32Array.from([...x, ...x]));
    const out = bench.put(new Float32Array(8).fill(1));
    bench.run(kernel, [out, at], 1);
    const got = [...bench.f32(out, 8)];
    t.deepEqual(got.slice(4), got.slice(0, 4));
    return got.slice(0, 4);
  };
  const huge = [90, 1e10, 3.4e38, Number.POSITIVE_INFINITY].map(Math.fround);
  t.deepEqual(run('gelu', huge), huge);
  t.deepEqual(run('geluBackward', huge), [1, 1, 1, 1]);
  for (const kernel of ['gelu', 'geluBackward'] as const) {
    close(t, run(kernel, [-20, -90, -1e10, -1e20]), [0, 0, 0, 0], { atol: 1e-17 });
    const got = run(kernel, [Number.NaN, 1, Number.NaN, 1]);
    t.deepEqual(got.map(Number.isNaN), [true, false, true, false], kernel);
  }
  t.deepEqual(run('gelu', [0, -0, 2 ** -126, 1]).slice(0, 2), [0, -0]);
  const x = values(8 * 24, 5);
  for (let items = 0; items <= 17; items++) {
    bench.reset();
    const [from, y] = [bench.put(x, 4), bench.put(x, 8)];
    bench.runRange('gelu', [y, from], 2, 2 + items);
    const got = bench.f32(y, x.length);
    const expected = [...x].map((v, i) => (i >= 16 && i < 16 + 8 * items ? gelu(v) : v));
    close(t, got, expected, { rtol: 3 * ULP, atol: ULP });
    bench.runRange('gelu', [from, from], 2, 2 + items);
    t.deepEqual(bits(bench.f32(from, x.length)), bits(got), 'in place');
  }
});
