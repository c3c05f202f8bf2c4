import { type Bench, close, eachBuild, eachSplit, values } from '../helpers/kernels.js';

const BLOCK = 4096;

/** The norm and the factor; what is behind the gradient must not count. */
function clip(bench: Bench, gradient: Float32Array, maxNorm: number): Float32Array {
  const blocks = Math.ceil(gradient.length / BLOCK);
  const guarded = new Float32Array(gradient.length + 4).fill(1e20);
  guarded.set(gradient);
  const [partial, out] = [bench.alloc(8 * blocks), bench.alloc(8)];
  bench.run('gradientNorm', [partial, bench.put(guarded, 4), gradient.length], blocks);
  bench.run('gradientClip', [out, partial, blocks, maxNorm], 1);
  return bench.f32(out, 2);
}

const norm = (g: Float32Array): number => Math.sqrt(g.reduce((sum, v) => sum + v * v, 0));

eachSplit('gradientNorm is the norm of all elements, for any length', (t, bench) => {
  const lengths = [...Array.from({ length: 18 }, (_, i) => i), 4095, 4096, 4097, 3 * 4096 + 6];
  return lengths.map((length) => {
    bench.reset();
    const g = values(length, length + 1);
    const got = clip(bench, g, 0.5);
    // f64 inside: two roundings to f32.
    const [expected, rtol] = [norm(g), 2 ** -23];
    close(t, got, [expected, Math.min(1, 0.5 / (expected + 1e-6))], { rtol, what: `${length}` });
    return got;
  });
});

eachBuild(
  'the clipping factor is 1 below the limit, and squares beyond f32 do not overflow',
  (t, bench) => {
    t.deepEqual([...clip(bench, Float32Array.of(3, 4), 5.1)], [5, 1]);
    t.deepEqual([...clip(bench, Float32Array.of(0, 0), 1)], [0, 1]);
    close(t, clip(bench, Float32Array.of(3e30, 4e30), 1), [5e30, 2e-31], { rtol: 2 ** -22 });
  },
);

eachBuild('a NaN gradient gives a NaN norm', (t, bench) => {
  const got = clip(bench, Float32Array.of(1, Number.NaN, 2), 1);
  t.deepEqual([...got].map(Number.isNaN), [true, true]);
  const infinite = clip(bench, Float32Array.of(1, Number.POSITIVE_INFINITY), 1);
  t.deepEqual([...infinite], [Number.POSITIVE_INFINITY, 0]);
});
