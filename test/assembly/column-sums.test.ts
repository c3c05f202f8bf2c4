import { close, eachSplit, values } from '../helpers/kernels.js';

for (const [images, pixels, channels, stride] of [
  [1, 1, 8, 8],
  [3, 25, 16, 40],
  [1, 256, 8, 8],
  [2, 600, 24, 24],
] as const)
  eachSplit(
    `columnSums of ${images}x${pixels} rows, ${channels} of ${stride} floats`,
    (t, bench) => {
      const x = values(images * pixels * stride, 1);
      const blocks = Math.ceil(pixels / 256);
      const partial = bench.alloc(4 * images * blocks * channels);
      const out = bench.alloc(4 * images * channels);
      bench.run('columnSums', [partial, bench.put(x), pixels, stride, channels], images * blocks);
      bench.run(
        'joinColumnSums',
        [out, channels, partial, blocks, channels, channels],
        images * channels,
      );
      const expected = new Float64Array(images * channels);
      for (let row = 0; row < images * pixels; row++)
        for (let c = 0; c < channels; c++)
          expected[Math.floor(row / pixels) * channels + c]! += x[row * stride + c]!;
      const got = bench.f32(out, images * channels);
      // Up to 256 additions in f32 of values below 1, the blocks in f64.
      close(t, got, expected, { atol: 2 ** -24 * 256, rtol: 2 ** -23 });
      return [got];
    },
  );
