import { eachBuild, values } from '../helpers/kernels.js';

eachBuild('addGradient begins a sum or adds to it, for any range of quads', (t, bench) => {
  const share = Math.fround(1 / 3);
  for (const more of [0, 1])
    for (const begin of [0, 1, 3])
      for (let items = 0; items <= 4; items++) {
        bench.reset();
        const [sum, g] = [values(32, 1), values(32, 2)];
        const at = bench.put(sum, 4);
        bench.runRange('addGradient', [at, bench.put(g), share, more], begin, begin + items);
        const expected = sum.map((before, i) => {
          if (i < 4 * begin || i >= 4 * (begin + items)) return before;
          const part = Math.fround(g[i]! * share);
          return more ? Math.fround(before + part) : part;
        });
        t.deepEqual(bench.f32(at, 32), expected);
      }
});
