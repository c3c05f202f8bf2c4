import { eachSplit, values } from '../helpers/kernels.js';

eachSplit(
  'reluBackward passes gradients where the ReLU was positive, and none at zero',
  (t, bench) => {
    for (const quads of [1, 2, 5]) {
      const dx = values(4 * quads + 4, 1);
      const y = values(4 * quads + 4, 2).map((v, i) => (i % 3 === 0 ? 0 : Math.max(0, v)));
      const at = bench.put(dx);
      bench.run('reluBackward', [at, bench.put(y)], quads);
      const expected = dx.map((d, i) => (i >= 4 * quads || y[i]! > 0 ? d : 0));
      t.deepEqual(bench.f32(at, dx.length), expected);
    }
    return [];
  },
);

eachSplit('relu is max(x, 0), and writes only its range', (t, bench) => {
  for (const quads of [1, 2, 5]) {
    const x = values(4 * quads, 1);
    const out = values(4 * quads + 4, 2);
    const at = bench.put(out);
    bench.run('relu', [at, bench.put(x)], quads);
    const expected = out.map((v, i) => (i < x.length ? Math.max(0, x[i]!) : v));
    t.deepEqual(bench.f32(at, out.length), expected);
  }
  return [];
});
