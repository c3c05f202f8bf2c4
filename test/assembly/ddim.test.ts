import { tuple } from '../../src/engine/program.js';
import { eachBuild, values } from '../helpers/kernels.js';

const round = Math.fround;
const row = Float32Array.of(1.7, 0.8, 0.65, 0.7, 0.2);
const [recip, noise, signal, direction, sigma] = row as unknown as [
  number,
  number,
  number,
  number,
  number,
];

function mean(x: number, e: number): number {
  const x0 = round(round(x - round(noise * e)) * recip);
  return round(round(signal * x0) + round(direction * e));
}

eachBuild('ddimStep follows eq. 12, for any range and alignment', (t, bench) => {
  const coefficients = bench.put(row);
  bench.mark();
  for (const begin of [0, 1, 2, 3, 5])
    for (let length = 0; length <= 17; length++) {
      const [x, eps, z] = [values(24, 1), values(24, 2), values(24, 3)];
      const out = bench.put(new Float32Array(24).fill(42), begin);
      const args = tuple(out, bench.put(x, 1), bench.put(eps, 2), bench.put(z, 3), coefficients);
      bench.runRange('ddimStep', args, begin, begin + length);
      const expected = x.map((v, i) =>
        i >= begin && i < begin + length ? round(mean(v, eps[i]!) + round(sigma * z[i]!)) : 42,
      );
      t.deepEqual(bench.f32(out, 24), expected, `[${begin}, ${begin + length})`);
      bench.reset();
    }
});

eachBuild('a ddim step without noise does not read z', (t, bench) => {
  const x = values(19, 1);
  const eps = values(19, 2);
  const z = bench.put(new Float32Array(19).fill(Number.NaN));
  const at = bench.put(x);
  const coefficients = bench.put(row.with(4, 0));
  bench.run('ddimStep', [at, at, bench.put(eps), z, coefficients], 19);
  t.deepEqual(
    bench.f32(at, 19),
    x.map((v, i) => mean(v, eps[i]!)),
  );
});
