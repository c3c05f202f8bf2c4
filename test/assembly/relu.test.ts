import { eachSplit, values } from '../helpers/kernels.js';

eachSplit(
  'reluBackward lets through what the ReLU let through, and nothing at zero',
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

eachSplit('relu takes the larger of each element and 0', (t, bench) => {
  const x = values(64);
  const at = bench.put(x, 4);
  const y = bench.put(new Float32Array(64).fill(42));
  bench.run('relu', [y, at], 16);
  const got = bench.f32(y, 64);
  t.deepEqual(
    got,
    x.map((v) => Math.max(v, 0)),
  );
  bench.run('relu', [at, at], 16);
  t.deepEqual(bench.f32(at, 64), got, 'in place');
  return [got];
});
