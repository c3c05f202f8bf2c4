import { Channels } from '../helpers/channels.js';
import { bits, close, eachSplit, values } from '../helpers/kernels.js';

for (const { images, pixels, real } of [
  { images: 1, pixels: 1, real: 4 },
  { images: 3, pixels: 25, real: 20 },
  { images: 2, pixels: 300, real: 48 },
])
  eachSplit(
    `gate and its backward pass: ${images}x${pixels} pixels of ${real} channels`,
    (t, bench) => {
      const inner = new Channels([real], 8);
      const [outer, vectors] = [inner.apart(16), inner.apart(24)];
      const rows = images * pixels;
      const { padded } = inner;
      const [a, x, dy] = [values(rows * real, 1), values(rows * real, 2), values(rows * real, 3)];
      const [g, before] = [values(images * real, 4), values(rows * real, 5)];
      const factor = (i: number) => g[Math.floor(i / real / pixels) * real + (i % real)]!;

      const [base, from] = [bench.put(outer.spread(a), 4), bench.put(inner.spread(x), 8)];
      const by = bench.put(vectors.spread(g));
      const y = bench.put(new Float32Array(rows * inner.stride).fill(42));
      const forward = (to: typeof y, stride: number) =>
        bench.run(
          'gate',
          [
            ...([to, stride, base, outer.stride, from, inner.stride] as const),
            ...([by, vectors.stride, pixels, padded] as const),
          ],
          rows,
        );
      forward(y, inner.stride);
      const got = inner.gather(t, bench.f32(y, rows * inner.stride), 'y');
      const expected = [...a].map((v, i) => v + x[i]! * factor(i));
      close(t, got, expected, { atol: 2 ** -23, what: 'y' });

      const blocks = Math.ceil(pixels / 256);
      const partial = bench.alloc(4 * images * blocks * padded);
      const gradient = bench.put(outer.spread(dy));
      const backward = (to: typeof y, accumulate: boolean) =>
        bench.run(
          'gateBackward',
          [
            ...([to, inner.stride, partial, gradient, outer.stride, from, inner.stride] as const),
            ...([by, vectors.stride, pixels, padded, accumulate] as const),
          ],
          images * blocks,
        );
      const dx = bench.put(new Float32Array(rows * inner.stride).fill(42));
      backward(dx, false);
      const back = inner.gather(t, bench.f32(dx, rows * inner.stride), 'dx');
      t.deepEqual(bits(back), bits(Float32Array.from(dy, (d, i) => Math.fround(d * factor(i)))));
      const sum = bench.put(inner.spread(before));
      backward(sum, true);
      const added = inner.gather(t, bench.f32(sum, rows * inner.stride), 'added');
      t.deepEqual(bits(added), bits(before.map((v, i) => v + back[i]!)));

      const out = bench.alloc(4 * images * padded);
      bench.run('joinColumnSums', [out, padded, partial, blocks, padded, padded], images * padded);
      const sums = new Channels([real], 0).gather(t, bench.f32(out, images * padded), 'sums');
      const products = new Float64Array(images * real);
      for (const [i, d] of dy.entries())
        products[Math.floor(i / real / pixels) * real + (i % real)]! += d * x[i]!;
      close(t, sums, products, { atol: 1e-7 * pixels, rtol: 1e-6, what: 'dg' });

      forward(base, outer.stride);
      const inPlace = outer.gather(t, bench.f32(base, rows * outer.stride), 'in place');
      t.deepEqual(bits(inPlace), bits(got));
      return [got, back, added, sums];
    },
  );
