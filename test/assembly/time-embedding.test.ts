import { tuple } from '../../src/engine/program.js';
import { eachBuild, values } from '../helpers/kernels.js';

eachBuild(
  'timeEmbedding reads the row of each image’s timestep, or of a shared timestep',
  (t, bench) => {
    const width = 16;
    const table = values(5 * width, 1);
    const row = (step: number) => [...table.subarray(step * width, (step + 1) * width)];
    const steps = Uint32Array.of(4, 0, 3, 3, 1, 2);
    const out = bench.alloc(4 * 6 * width);
    const args = tuple(out, bench.put(table), bench.put(steps), width);
    bench.run('timeEmbedding', [...args, 1], 6);
    t.deepEqual([...bench.f32(out, 6 * width)], [...steps].flatMap(row));
    bench.run('timeEmbedding', [...args, 0], 6);
    t.deepEqual([...bench.f32(out, 6 * width)], Array.from(steps, () => row(4)).flat());
  },
);
