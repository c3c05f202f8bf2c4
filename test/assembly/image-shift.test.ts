import { close, eachSplit, values } from '../helpers/kernels.js';

for (const [images, channels] of [
  [1, 8],
  [5, 24],
] as const)
  eachSplit(
    `imageShift adds ${images} embeddings to a shift of ${channels} channels`,
    (t, bench) => {
      const [shift, time] = [values(channels, 1), values(images * channels, 2)];
      const out = bench.alloc(4 * images * channels);
      bench.run('imageShift', [out, bench.put(shift), bench.put(time), channels], images);
      const expected = time.map((v, i) => v + shift[i % channels]!);
      const got = bench.f32(out, images * channels);
      close(t, got, expected, { what: 'one addition in f32' });
      return [got];
    },
  );
