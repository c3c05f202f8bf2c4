import { Channels } from '../helpers/channels.js';
import { bits, eachSplit, values } from '../helpers/kernels.js';

for (const { images, pixels, real } of [
  { images: 1, pixels: 1, real: 4 },
  { images: 3, pixels: 25, real: 20 },
])
  eachSplit(`addPositions: ${images}x${pixels} pixels of ${real} channels`, (t, bench) => {
    const inner = new Channels([real], 8);
    const [outer, dense] = [inner.apart(16), inner.apart(0)];
    const rows = images * pixels;
    const [x, table] = [values(rows * real, 1), values(pixels * real, 2)];
    const at = bench.put(inner.spread(x), 4);
    const add = bench.put(dense.spread(table), 8);
    const y = bench.put(new Float32Array(rows * outer.stride).fill(42));
    const run = (to: typeof y, stride: number) =>
      bench.run('addPositions', [to, stride, at, inner.stride, add, pixels, inner.padded], rows);
    run(y, outer.stride);
    const got = outer.gather(t, bench.f32(y, rows * outer.stride), 'y');
    t.deepEqual(bits(got), bits(x.map((v, i) => v + table[i % (pixels * real)]!)));
    run(at, inner.stride);
    const inPlace = inner.gather(t, bench.f32(at, rows * inner.stride), 'in place');
    t.deepEqual(bits(inPlace), bits(got));
    return [got];
  });
