import { rankOf } from '../../src/engine/arithmetic.js';
import { eachBuild, values } from '../helpers/kernels.js';

const round = Math.fround;
const ROW = Float32Array.of(2.5, -1.75);

/** The quantile of |a·x + b·m| as torch.quantile has it, at least 1 and at most `most`. */
function limit(x: Float32Array, m: Float32Array, rank: number, most: number): number {
  const sorted = x
    .map((v, i) => Math.abs(round(round(ROW[0]! * v) + round(ROW[1]! * m[i]!))))
    .sort();
  const below = Math.floor(rank);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  const value = round(low + round(round(rank - below) * round(high - low)));
  return Math.min(Math.max(value, 1), most);
}

eachBuild('imageLimits gives the quantile of each image, for any image size', (t, bench) => {
  const row = bench.put(ROW);
  bench.mark();
  for (const each of [1, 2, 3, 4, 7, 27, 64])
    for (const quantile of [0.001, 0.5, 0.9, 0.995, 1])
      for (const most of [1, 2.5, Number.POSITIVE_INFINITY]) {
        const [x, m] = [values(4 * each, 1), values(4 * each, 2)];
        const out = bench.put(new Float32Array(4).fill(42));
        const rank = rankOf(quantile, each);
        const args = [out, bench.put(x, 1), bench.put(m, 3), row, each, rank, most] as const;
        bench.run('imageLimits', args, 4);
        const of = (list: Float32Array, i: number) => list.slice(i * each, (i + 1) * each);
        const expected = Float32Array.from([0, 1, 2, 3], (i) =>
          limit(of(x, i), of(m, i), rank, most),
        );
        t.deepEqual(bench.f32(out, 4), expected, `${each} values, ${quantile}, at most ${most}`);
        bench.reset();
      }
});

eachBuild('imageLimits handles equal values, and zeros', (t, bench) => {
  const row = bench.put(Float32Array.of(1, 0));
  const same = bench.put(new Float32Array(10).fill(-3));
  const zeros = bench.put(new Float32Array(10));
  const out = bench.put(new Float32Array(1));
  const run = (x: typeof same) => {
    bench.run('imageLimits', [out, x, zeros, row, 10, rankOf(0.95, 10), 100], 1);
    return bench.f32(out, 1)[0];
  };
  t.is(run(same), 3);
  t.is(run(zeros), 1);
});
