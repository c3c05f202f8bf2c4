import { Channels } from '../helpers/channels.js';
import { bits, close, eachSplit, values } from '../helpers/kernels.js';

const EPS = 1e-5;

interface Case {
  readonly images: number;
  readonly pixels: number;
  readonly real: number;
}

/** y, and for dy the gradients of x, scale and shift, in f64. */
function reference(
  { images, pixels, real }: Case,
  x: Float32Array,
  scale: Float32Array,
  shift: Float32Array,
  dy: Float32Array,
) {
  const y = new Float64Array(x.length);
  const dx = new Float64Array(x.length);
  const [dScale, dShift] = [new Float64Array(images * real), new Float64Array(images * real)];
  for (let row = 0; row < images * pixels; row++) {
    const image = Math.floor(row / pixels);
    const values = [...x.subarray(row * real, (row + 1) * real)];
    const mean = values.reduce((a, b) => a + b) / real;
    const variance = values.reduce((a, v) => a + (v - mean) ** 2, 0) / real;
    const rate = 1 / Math.sqrt(variance + EPS);
    const hats = values.map((v) => (v - mean) * rate);
    const gs = hats.map((_, c) => dy[row * real + c]! * (1 + scale[image * real + c]!));
    const offset = gs.reduce((a, b) => a + b) / real;
    const tilt = gs.reduce((a, g, c) => a + g * hats[c]!, 0) / real;
    for (const [c, hat] of hats.entries()) {
      const i = row * real + c;
      const v = image * real + c;
      y[i] = hat * (1 + scale[v]!) + shift[v]!;
      dx[i] = rate * (gs[c]! - offset - hat * tilt);
      dScale[v]! += dy[i]! * hat;
      dShift[v]! += dy[i]!;
    }
  }
  return { y, dx, dScale, dShift };
}

for (const of of [
  { images: 1, pixels: 1, real: 4 },
  { images: 2, pixels: 16, real: 20 },
  { images: 3, pixels: 64, real: 48 },
  { images: 2, pixels: 300, real: 13 },
])
  eachSplit(
    `adaNorm and its backward pass: ${of.images}x${of.pixels} pixels of ${of.real} channels`,
    (t, bench) => {
      const { images, pixels, real } = of;
      const rows = images * pixels;
      const inner = new Channels([real], 8);
      const [outer, vectors] = [inner.apart(16), inner.apart(24)];
      const x = values(rows * real, 1).map((v) => 3 * v + 0.5);
      const [scale, shift] = [values(images * real, 2), values(images * real, 3)];
      const dy = values(rows * real, 4);
      const { padded } = inner;
      const expected = reference(of, x, scale, shift, dy);

      const at = bench.put(inner.spread(x), 4);
      const [by, add] = [bench.put(vectors.spread(scale), 8), bench.put(vectors.spread(shift))];
      const saved = bench.alloc(8 * rows);
      const y = bench.put(new Float32Array(rows * outer.stride).fill(42));
      const forward = (to: typeof y, stride: number, keep: typeof saved) =>
        bench.run(
          'adaNorm',
          [
            ...([to, stride, keep, at, inner.stride, add, by, vectors.stride] as const),
            ...([pixels, padded, real, EPS] as const),
          ],
          rows,
        );
      forward(y, outer.stride, saved);
      const got = outer.gather(t, bench.f32(y, rows * outer.stride), 'y');
      close(t, got, expected.y, { atol: 3e-6, what: 'y' });

      const blocks = Math.ceil(pixels / 256);
      const partial = bench.alloc(8 * images * blocks * padded);
      const gradient = bench.put(outer.spread(dy), 4);
      const before = values(rows * real, 5);
      const backward = (to: typeof y, stride: number, accumulate: boolean) =>
        bench.run(
          'adaNormBackward',
          [
            ...([to, stride, partial, gradient, outer.stride, at, inner.stride] as const),
            ...([by, vectors.stride, saved, pixels, padded, real, accumulate] as const),
          ],
          images * blocks,
        );
      const dx = bench.put(new Float32Array(rows * inner.stride).fill(42));
      backward(dx, inner.stride, false);
      const back = inner.gather(t, bench.f32(dx, rows * inner.stride), 'dx');
      const largest = expected.dx.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
      close(t, back, expected.dx, { atol: 3e-6 * largest, what: 'dx' });
      const sum = bench.put(inner.spread(before));
      backward(sum, inner.stride, true);
      const added = inner.gather(t, bench.f32(sum, rows * inner.stride), 'added');
      close(
        t,
        added,
        [...expected.dx].map((v, i) => v + before[i]!),
        { atol: 3e-6 * largest, what: 'added' },
      );

      const sums = [padded, 0].map((_, part) => {
        const out = bench.alloc(4 * images * padded);
        const from = (partial + 4 * part * padded) as typeof partial;
        bench.run(
          'joinColumnSums',
          [out, padded, from, blocks, padded, 2 * padded],
          images * padded,
        );
        return new Channels([real], 0).gather(t, bench.f32(out, images * padded), `sum ${part}`);
      });
      const most = 2e-6 * pixels + 1e-6;
      close(t, sums[0]!, expected.dScale, { atol: most, what: 'dScale' });
      close(t, sums[1]!, expected.dShift, { atol: most, what: 'dShift' });

      // In place: dx over dy, and y over x.
      backward(gradient, outer.stride, false);
      const inPlace = outer.gather(t, bench.f32(gradient, rows * outer.stride), 'dx in place');
      t.deepEqual(bits(inPlace), bits(back));
      forward(at, inner.stride, 0 as typeof saved);
      const over = inner.gather(t, bench.f32(at, rows * inner.stride), 'y in place');
      t.deepEqual(bits(over), bits(got));
      return [got, back, added, ...sums];
    },
  );
