import { tuple } from '../../src/engine/program.js';
import { bits, eachBuild, values } from '../helpers/kernels.js';

eachBuild('padChannels appends zeros, and dropChannels removes them', (t, bench) => {
  for (const channels of [1, 3, 8, 9, 16, 20])
    for (const pixels of [1, 2, 13]) {
      bench.reset();
      const x = values(pixels * channels, channels);
      const width = 8 * Math.ceil(channels / 8);
      const wide = bench.put(new Float32Array(width * pixels).fill(42));
      bench.run('padChannels', [wide, bench.put(x), channels], pixels);
      const expected = Float32Array.from({ length: width * pixels }, (_, i) =>
        i % width < channels ? x[Math.floor(i / width) * channels + (i % width)]! : 0,
      );
      t.deepEqual(bits(bench.f32(wide, width * pixels)), bits(expected));
      const dense = bench.put(new Float32Array(x.length + 1).fill(42));
      bench.run('dropChannels', [dense, wide, channels], pixels);
      t.deepEqual([...bench.f32(dense, x.length + 1)], [...x, 42]);
    }
});

eachBuild('copyChannels copies or adds between strides and writes nothing else', (t, bench) => {
  const [rows, channels, outStride, inStride] = [7, 8, 24, 16];
  const x = values(rows * inStride, 1);
  const out = values(rows * outStride, 2);
  const at = bench.put(out);
  const args = tuple(at, outStride, bench.put(x), inStride, channels);
  const source = (i: number) => x[Math.floor(i / outStride) * inStride + (i % outStride)]!;
  const inside = (i: number) => i % outStride < channels;
  bench.run('copyChannels', [...args, false], rows);
  const copied = out.map((v, i) => (inside(i) ? source(i) : v));
  t.deepEqual(bench.f32(at, out.length), copied);
  bench.run('copyChannels', [...args, true], rows);
  t.deepEqual(
    bench.f32(at, out.length),
    copied.map((v, i) => (inside(i) ? v + source(i) : v)),
  );
});
