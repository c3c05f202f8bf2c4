import type { Pointer } from '../../src/engine/pointer.js';
import { Channels } from '../helpers/channels.js';
import { bits, close, eachSplit, values } from '../helpers/kernels.js';

for (const rows of [0, 1, 2, 3, 17])
  for (const real of [1, 3, 4, 8, 13])
    eachSplit(`scaleShiftConstant: ${rows} rows of ${real} channels`, (t, bench) => {
      const inner = new Channels([real], 8);
      const outer = inner.apart(16);
      const [x, before] = [values(rows * real, 1), values(rows * real, 2)];
      const [scale, shift] = [2.5, -0.75];
      const run = (out: Pointer, stride: number, from: Pointer, accumulate: boolean) =>
        bench.run(
          'scaleShiftConstant',
          [out, stride, from, inner.stride, inner.padded, real, scale, shift, accumulate],
          rows,
        );
      const at = bench.put(inner.spread(x), 4);
      const y = bench.put(new Float32Array(rows * outer.stride).fill(42));
      run(y, outer.stride, at, false);
      const got = outer.gather(t, bench.f32(y, rows * outer.stride), 'y');
      // Two roundings of values below 4.
      close(
        t,
        got,
        [...x].map((v) => v * scale + shift),
        { atol: 2 ** -21 },
      );
      const sum = bench.put(outer.spread(before));
      run(sum, outer.stride, at, true);
      const added = outer.gather(t, bench.f32(sum, rows * outer.stride), 'added');
      close(
        t,
        added,
        [...x].map((v, i) => v * scale + shift + before[i]!),
        { atol: 2 ** -20 },
      );
      run(at, inner.stride, at, false);
      const inPlace = inner.gather(t, bench.f32(at, rows * inner.stride), 'in place');
      t.deepEqual(bits(inPlace), bits(got), 'in place');
      return [got, added];
    });

for (const { images, pixels, parts } of [
  { images: 1, pixels: 1, parts: [8] },
  { images: 3, pixels: 25, parts: [3, 10] },
  { images: 2, pixels: 300, parts: [24] },
])
  eachSplit(
    `addVector: ${images}x${pixels} pixels of ${parts.join(' + ')} channels`,
    (t, bench) => {
      const inner = new Channels(parts, 8);
      const [outer, vectors] = [inner.apart(16), inner.apart(24)];
      const { real, padded } = inner;
      const rows = images * pixels;
      const [x, v] = [values(rows * real, 1), values(images * real, 2)];
      const expected = x.map((value, i) => {
        const image = Math.floor(i / real / pixels);
        return value + v[image * real + (i % real)]!;
      });
      const at = bench.put(inner.spread(x), 4);
      const vector = bench.put(vectors.spread(v), 8);
      const y = bench.put(new Float32Array(rows * outer.stride).fill(42));
      const run = (out: Pointer, stride: number) =>
        bench.run(
          'addVector',
          [out, stride, at, inner.stride, vector, vectors.stride, pixels, padded],
          images * Math.ceil(pixels / 256),
        );
      run(y, outer.stride);
      const got = outer.gather(t, bench.f32(y, rows * outer.stride), 'y');
      t.deepEqual(bits(got), bits(expected));
      run(at, inner.stride);
      t.deepEqual(bits(inner.gather(t, bench.f32(at, rows * inner.stride), 'in place')), bits(got));
      return [got];
    },
  );
