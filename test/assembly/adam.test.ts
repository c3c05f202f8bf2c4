import { close, eachSplit, values } from '../helpers/kernels.js';

/** Adam as Kingma & Ba write it, in f64: the parameters after steps with these gradients. */
function plainAdam(start: Float32Array, gradients: readonly Float32Array[], lr: number) {
  const p = Float64Array.from(start);
  const m = new Float64Array(p.length);
  const v = new Float64Array(p.length);
  for (const [i, g] of gradients.entries()) {
    const step = i + 1;
    for (let k = 0; k < p.length; k++) {
      m[k] = 0.9 * m[k]! + 0.1 * g[k]!;
      v[k] = 0.999 * v[k]! + 0.001 * g[k]! ** 2;
      const mean = m[k]! / (1 - 0.9 ** step);
      p[k]! -= (lr * mean) / (Math.sqrt(v[k]! / (1 - 0.999 ** step)) + 1e-8);
    }
  }
  return { p, m, v };
}

eachSplit(
  'adam takes the steps of the plain algorithm, for gradients from 0 to 1e4',
  (t, bench) => {
    const [items, lr] = [11, 1e-3];
    const length = 8 * items;
    const scale = (k: number) => (k < 4 ? 0 : 10 ** ((k % 9) - 4));
    const gradients = [1, 2, 3, 4, 5, 6].map((seed) =>
      values(length, seed).map((g, k) => g * scale(k)),
    );
    const start = values(length, 9);
    const at = { p: bench.put(start), m: bench.put(new Float32Array(length)) };
    const v = bench.put(new Float32Array(length));
    const guard = bench.f32(at.p, length + 4);
    for (const [i, g] of gradients.entries()) {
      const rates = bench.put(
        Float32Array.of(lr / (1 - 0.9 ** (i + 1)), 1 / Math.sqrt(1 - 0.999 ** (i + 1))),
      );
      bench.run('adam', [at.p, bench.put(g), at.m, v, rates], items);
    }
    const expected = plainAdam(start, gradients, lr);
    const got = [at.p, at.m, v].map((a) => bench.f32(a, length));
    // A step is at most a few lr; its relative error is some roundings of f32, and p is rounded at each step.
    close(t, got[0]!, expected.p, { atol: gradients.length * (2 ** -24 + lr * 1e-5), what: 'p' });
    const largest = (k: number) => scale(k) * 1e-6;
    for (let k = 0; k < length; k++) {
      close(t, [got[1]![k]!], [expected.m[k]!], { atol: largest(k), what: `m[${k}]` });
      close(t, [got[2]![k]!], [expected.v[k]!], { rtol: 1e-6, what: `v[${k}]` });
    }
    t.deepEqual(got[0]!.subarray(0, 4), start.subarray(0, 4), 'no gradient, no step');
    t.deepEqual(bench.f32(at.p, length + 4).subarray(length), guard.subarray(length));
    return got;
  },
);
