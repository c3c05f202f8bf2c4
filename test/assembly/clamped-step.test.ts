import { tuple } from '../../src/engine/program.js';
import { eachBuild, values } from '../helpers/kernels.js';

const round = Math.fround;
const row = Float32Array.of(1.7, -1.3, 0.8, 0.65, 0.7, -0.4, 0.2);
const [ofX, ofEps, range, keep, signal, direction, sigma] = row as unknown as number[] as [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

function mean(x: number, e: number): number {
  const foreseen = round(round(ofX * x) + round(ofEps * e));
  const x0 = Math.max(-range, Math.min(range, foreseen));
  return round(round(round(keep * x) + round(signal * x0)) + round(direction * e));
}

eachBuild('clampedStep clamps what a step foresees, for any range and alignment', (t, bench) => {
  const coefficients = bench.put(row);
  bench.mark();
  for (const begin of [0, 1, 2, 3, 5])
    for (let length = 0; length <= 17; length++) {
      const [x, eps, z] = [values(24, 1), values(24, 2), values(24, 3)];
      const out = bench.put(new Float32Array(24).fill(42), begin);
      const args = tuple(out, bench.put(x, 1), bench.put(eps, 2), bench.put(z, 3), coefficients);
      bench.runRange('clampedStep', args, begin, begin + length);
      const expected = x.map((v, i) =>
        i >= begin && i < begin + length ? round(mean(v, eps[i]!) + round(sigma * z[i]!)) : 42,
      );
      t.deepEqual(bench.f32(out, 24), expected, `[${begin}, ${begin + length})`);
      bench.reset();
    }
});

eachBuild('a clamped step without noise does not read z, and keeps a NaN', (t, bench) => {
  const x = values(19, 1).with(3, Number.NaN).with(18, Number.NaN);
  const eps = values(19, 2);
  const z = bench.put(new Float32Array(19).fill(Number.NaN));
  const at = bench.put(x);
  const coefficients = bench.put(row.with(6, 0));
  bench.run('clampedStep', [at, at, bench.put(eps), z, coefficients], 19);
  // As numbers: a NaN's sign is no matter.
  t.deepEqual(
    [...bench.f32(at, 19)],
    Array.from(x, (v, i) => mean(v, eps[i]!)),
  );
});
