import { tuple } from '../../src/engine/program.js';
import { eachBuild, values } from '../helpers/kernels.js';

const round = Math.fround;
const [RECIP, SCALE, SIGMA] = Float32Array.of(1.01, 0.02, 0.13) as unknown as [
  number,
  number,
  number,
];
const mean = (x: number, e: number) => round(RECIP * round(x - round(SCALE * e)));

eachBuild('pSample takes the ancestral step, for any range and alignment', (t, bench) => {
  const coefficients = bench.put(Float32Array.of(RECIP, SCALE, SIGMA));
  bench.mark();
  for (const begin of [0, 1, 2, 3, 5])
    for (let length = 0; length <= 17; length++) {
      const [x, eps, z] = [values(24, 1), values(24, 2), values(24, 3)];
      const out = bench.put(new Float32Array(24).fill(42), begin);
      const args = tuple(out, bench.put(x, 1), bench.put(eps, 2), bench.put(z, 3), coefficients);
      bench.runRange('pSample', args, begin, begin + length);
      const expected = x.map((v, i) =>
        i >= begin && i < begin + length ? round(mean(v, eps[i]!) + round(SIGMA * z[i]!)) : 42,
      );
      t.deepEqual(bench.f32(out, 24), expected, `[${begin}, ${begin + length})`);
      bench.reset();
    }
});

eachBuild('the last ancestral step returns the mean, whatever z contains', (t, bench) => {
  const x = values(19, 1);
  const eps = values(19, 2);
  const z = bench.put(new Float32Array(19).fill(Number.NaN));
  const at = bench.put(x);
  const coefficients = bench.put(Float32Array.of(RECIP, SCALE, 0));
  bench.run('pSample', [at, at, bench.put(eps), z, coefficients], 19);
  t.deepEqual(
    bench.f32(at, 19),
    x.map((v, i) => mean(v, eps[i]!)),
  );
});
