import { tuple } from '../../src/engine/program.js';
import { close, eachBuild, values } from '../helpers/kernels.js';

const round = Math.fround;
const toUnit = (p: number) => round(round(p / 127.5) - 1);

/** Bytes that are not a ramp, so that misplaced ones show. */
const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 73 + 11) & 255);

eachBuild('toFloat gives p/127.5 − 1, for any range and alignment', (t, bench) => {
  const pixels = bytes(64);
  for (const begin of [0, 1, 2, 3, 5])
    for (let length = 0; length <= 37; length++) {
      const out = bench.put(new Float32Array(64).fill(42), begin);
      bench.runRange('toFloat', [out, bench.put(pixels, 1)], begin, begin + length);
      const expected = Float32Array.from(pixels, (p, i) =>
        i >= begin && i < begin + length ? toUnit(p) : 42,
      );
      t.deepEqual(bench.f32(out, 64), expected, `[${begin}, ${begin + length})`);
      bench.reset();
    }
});

eachBuild('toFloat rounds each of the 256 levels like the division', (t, bench) => {
  const pixels = Uint8Array.from({ length: 256 }, (_, p) => p);
  const out = bench.put(new Float32Array(256));
  bench.run('toFloat', [out, bench.put(pixels)], 256, 16);
  t.deepEqual(bench.f32(out, 256), Float32Array.from(pixels, toUnit));
});

eachBuild('toBytes rounds to the nearest level, for any range and alignment', (t, bench) => {
  const x = values(64).map((v) => v * 1.2);
  const level = (v: number) => Math.round((Math.min(1, Math.max(-1, v)) + 1) * 127.5);
  for (const begin of [0, 1, 2, 3, 5])
    for (let length = 0; length <= 37; length++) {
      const out = bench.put(new Uint8Array(64).fill(42), begin);
      bench.runRange('toBytes', [out, bench.put(x, 1)], begin, begin + length);
      const expected = Uint8Array.from(x, (v, i) =>
        i >= begin && i < begin + length ? level(v) : 42,
      );
      t.deepEqual(bench.u8(out, 64), expected, `[${begin}, ${begin + length})`);
      bench.reset();
    }
});

eachBuild('every byte is unchanged by conversion to float and back', (t, bench) => {
  const all = Uint8Array.from({ length: 256 }, (_, i) => i);
  const [floats, back] = [bench.alloc(1024), bench.alloc(256)];
  bench.run('toFloat', [floats, bench.put(all)], 256);
  bench.run('toBytes', [back, floats], 256);
  t.deepEqual(bench.u8(back, 256), all);
  const x = bench.f32(floats, 256);
  t.is(x[0], -1);
  t.is(x[255], 1);
});

eachBuild('values out of range are clamped, and NaN becomes black', (t, bench) => {
  const odd = [Number.NaN, -Infinity, Infinity, -1e9, 1e9, -1.001, 1.001, -0, 0];
  const x = Float32Array.from([...odd, ...odd, ...odd]);
  const out = bench.alloc(x.length);
  bench.run('toBytes', [out, bench.put(x)], x.length);
  const expected = [0, 0, 255, 0, 255, 0, 255, 128, 128];
  t.deepEqual([...bench.u8(out, x.length)], [...expected, ...expected, ...expected]);
});

eachBuild('batchToFloat mirrors only the flipped images', (t, bench) => {
  const flips = Uint32Array.of(0, 1, 1, 0);
  const height = 3;
  for (const channels of [1, 2, 3, 4])
    for (let width = 1; width <= 23; width++) {
      const length = flips.length * height * width * channels;
      const pixels = bytes(length);
      const out = bench.put(new Float32Array(length + 4).fill(42), width % 4);
      const args = tuple(out, bench.put(pixels, 1), bench.put(flips), height, width, channels);
      bench.run('batchToFloat', args, flips.length * height);
      const expected = new Float32Array(length + 4).fill(42);
      for (let i = 0; i < length; i++) {
        const x = Math.floor(i / channels) % width;
        const image = Math.floor(i / (channels * width * height));
        const mirror = flips[image] === 1 ? channels * (width - 1 - 2 * x) : 0;
        expected[i] = toUnit(pixels[i + mirror]!);
      }
      close(t, bench.f32(out, length + 4), expected, { what: `${width}x${channels}` });
      bench.reset();
    }
});

eachBuild('batchToFloat writes only the rows of its range', (t, bench) => {
  const [height, width, channels] = [4, 7, 3];
  const row = width * channels;
  const pixels = bytes(2 * height * row);
  const out = bench.put(new Float32Array(2 * height * row).fill(42));
  const args = tuple(
    out,
    bench.put(pixels),
    bench.put(Uint32Array.of(1, 1)),
    height,
    width,
    channels,
  );
  bench.runRange('batchToFloat', args, 3, 6);
  const got = bench.f32(out, 2 * height * row);
  t.true(got.every((v, i) => (v === 42) === (i < 3 * row || i >= 6 * row)));
});
