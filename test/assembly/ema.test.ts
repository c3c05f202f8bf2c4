import { eachBuild, values } from '../helpers/kernels.js';

const round = Math.fround;

eachBuild('ema updates an average by its rate, for any range of items', (t, bench) => {
  const rate = bench.put(Float32Array.of(0.3));
  bench.mark();
  for (const begin of [0, 1, 3])
    for (let items = 0; items <= 5; items++) {
      const [e, p] = [values(72, 1), values(72, 2)];
      const at = bench.put(e, 4);
      bench.runRange('ema', [at, bench.put(p), rate], begin, begin + items);
      const expected = e.map((average, i) =>
        i >= 8 * begin && i < 8 * (begin + items)
          ? round(average + round(round(0.3) * round(p[i]! - average)))
          : average,
      );
      t.deepEqual(bench.f32(at, 72), expected, `[${begin}, ${begin + items})`);
      bench.reset();
    }
});
