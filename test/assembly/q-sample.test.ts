import { tuple } from '../../src/engine/program.js';
import { eachBuild, values } from '../helpers/kernels.js';

const round = Math.fround;
const noised = (a: number, x: number, b: number, e: number) =>
  round(round(round(a) * x) + round(round(b) * e));

eachBuild('qSample mixes image and noise, for any range and alignment', (t, bench) => {
  for (const begin of [0, 1, 2, 3, 5])
    for (let length = 0; length <= 17; length++) {
      const x0 = values(24, 1);
      const eps = values(24, 2);
      const out = bench.put(new Float32Array(24).fill(42), begin);
      const args = tuple(out, bench.put(x0, 1), bench.put(eps, 2), 0.8, 0.6);
      bench.runRange('qSample', args, begin, begin + length);
      const inside = (i: number) => i >= begin && i < begin + length;
      const expected = x0.map((x, i) => (inside(i) ? noised(0.8, x, 0.6, eps[i]!) : 42));
      t.deepEqual(bench.f32(out, 24), expected, `[${begin}, ${begin + length})`);
      bench.reset();
    }
});

eachBuild('qSample may write over its inputs', (t, bench) => {
  const x0 = values(11, 1);
  const eps = values(11, 2);
  const expected = x0.map((x, i) => noised(0.8, x, 0.6, eps[i]!));
  for (const over of [0, 1]) {
    const at = tuple(bench.put(x0), bench.put(eps));
    bench.run('qSample', [at[over]!, ...at, 0.8, 0.6], 11);
    t.deepEqual(bench.f32(at[over]!, 11), expected);
  }
});

eachBuild('qSampleImages noises each image to its own timestep', (t, bench) => {
  const a = Float32Array.of(1, 0.9, 0.5, 0.1);
  const b = Float32Array.of(0, 0.4, 0.8, 0.99);
  const steps = Uint32Array.of(3, 0, 2, 2, 1);
  for (const elements of [1, 3, 4, 16, 19]) {
    const items = elements * steps.length;
    const x0 = values(items, 1);
    const eps = values(items, 2);
    const args = tuple(
      bench.put(x0, 1),
      bench.put(eps, 3),
      bench.put(a),
      bench.put(b),
      bench.put(steps),
    );
    const all = (i: number) => {
      const step = steps[Math.floor(i / elements)]!;
      return noised(a[step]!, x0[i]!, b[step]!, eps[i]!);
    };
    for (const [begin, end] of [
      [0, items],
      [1, items - 1],
      [items - 2, items],
    ] as const) {
      const out = bench.put(new Float32Array(items).fill(42));
      bench.runRange('qSampleImages', [out, ...args, elements], begin, end);
      const expected = x0.map((_, i) => (i >= begin && i < end ? all(i) : 42));
      t.deepEqual(bench.f32(out, items), expected, `${elements} elements, [${begin}, ${end})`);
    }
  }
});
