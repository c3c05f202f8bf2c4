import test from 'ava';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { splitSeed } from '../../src/engine/seed.js';
import { ShapeError, UsageError } from '../../src/errors.js';
import { close, values } from '../helpers/kernels.js';
import { normals, words } from '../helpers/philox.js';

const arithmetic = new Arithmetic();
const stream = { key: [5, 6], purpose: 7, index: 8, timestep: 9 } as const;
const plain = { seed: stream.key, purpose: 7, index: 8, timestep: 9 };

test('any part of a stream can be drawn separately', (t) => {
  const all = words(plain, 100);
  t.deepEqual(arithmetic.words(stream, 0, 100), all);
  t.deepEqual(arithmetic.words(stream, 41, 9), all.slice(41, 50));
  close(t, arithmetic.gaussian(stream, 41, 9), normals(plain, 100).slice(41, 50), {
    atol: 1e-9,
    rtol: 4e-7,
  });
  const far = 2 ** 29 + 5;
  t.deepEqual(arithmetic.words(stream, far, 3), arithmetic.words(stream, far - 2, 5).slice(2));
});

test('memory grows on demand', (t) => {
  const x = values(300_000);
  t.deepEqual(new Arithmetic().qSample(x, x, 1, 0), x);
});

test('noising and reverse steps use the kernels of the programs', (t) => {
  const [x, eps, z] = [values(24, 1), values(24, 2), values(24, 3)];
  close(
    t,
    arithmetic.qSample(x, eps, 0.8, 0.6),
    x.map((v, i) => 0.8 * v + 0.6 * eps[i]!),
    { atol: 1e-6 },
  );
  const tables = {
    sqrtAlphaBar: Float32Array.of(1, 0.8),
    sqrtOneMinusAlphaBar: Float32Array.of(0, 0.6),
  };
  const mixed = arithmetic.qSampleImages(x, eps, tables, Int32Array.of(1, 0));
  t.deepEqual(mixed.slice(0, 12), arithmetic.qSample(x, eps, 0.8, 0.6).slice(0, 12));
  t.deepEqual(mixed.slice(12), x.slice(12));
  const p = arithmetic.reverseStep('pSample', x, eps, z, Float32Array.of(1.1, 0.2, 0.3));
  close(
    t,
    p,
    x.map((v, i) => 1.1 * (v - 0.2 * eps[i]!) + 0.3 * z[i]!),
    { atol: 1e-6 },
  );
  const d = arithmetic.reverseStep('ddimStep', x, eps, z, Float32Array.of(1.5, 0.7, 0.9, 0.4, 0.1));
  close(
    t,
    d,
    x.map((v, i) => 0.9 * 1.5 * (v - 0.7 * eps[i]!) + 0.4 * eps[i]! + 0.1 * z[i]!),
    { atol: 1e-6 },
  );
});

test('bytes are converted to floats, mirrored on request, and back', (t) => {
  const pixels = Uint8Array.from({ length: 2 * 2 * 3 * 3 }, (_, i) => 7 * i);
  t.deepEqual(arithmetic.toBytes(arithmetic.toFloat(pixels)), pixels);
  const shape = { height: 2, width: 3, channels: 3 };
  const floats = arithmetic.batchToFloat(pixels, Uint32Array.of(0, 1), shape);
  const back = arithmetic.toBytes(floats);
  t.deepEqual(back.slice(0, 18), pixels.slice(0, 18));
  t.deepEqual(back.slice(18, 21), pixels.slice(24, 27));
});

test('an image is stretched, or cropped to its centre', (t) => {
  // Left and right quarters black, the middle white.
  const pixels = Uint8Array.from({ length: 16 * 8 }, (_, i) =>
    i % 16 >= 4 && i % 16 < 12 ? 255 : 0,
  );
  const crop = arithmetic.fitImage(pixels, 16, 8, 1, 4, 'crop');
  t.is(crop.length, 16);
  t.true(crop.every((v, i) => (i % 4 === 1 || i % 4 === 2 ? v === 255 : v > 200)));
  const squash = arithmetic.fitImage(pixels, 16, 8, 1, 4, 'squash');
  t.deepEqual(
    [...squash.slice(0, 4)].map((v) => v > 128),
    [false, true, true, false],
  );
  const tall = arithmetic.fitImage(pixels, 8, 16, 1, 4, 'crop');
  t.is(tall.length, 16);
});

test('a box selects the region to scale, and may extend beyond the image', (t) => {
  const ramp = (n: number, first: number) =>
    Uint8Array.from({ length: n }, (_, i) => first + 2 * i);
  const whole = arithmetic.resizeImage(ramp(64, 20), 64, 1, 1, 8, 1);
  const inner = { left: 10, top: 0, width: 32, height: 1 };
  t.deepEqual(
    [...arithmetic.resizeImage(ramp(64, 20), 64, 1, 1, 4, 1, inner)].slice(1, 3),
    // Four samples to each result: the means of 14…21 and 22…29, weighted about 18 and 26, less half a step.
    [20 + 2 * 21.5, 20 + 2 * 29.5],
  );
  // Without its first or last sample the picture keeps its place, but for the border.
  const first = { left: -1, top: 0, width: 64, height: 1 };
  const last = { ...first, left: 0 };
  const without = (pixels: Uint8Array, box: typeof first) => [
    ...arithmetic.resizeImage(pixels, 63, 1, 1, 8, 1, box),
  ];
  t.deepEqual(without(ramp(63, 22), first).slice(1), [...whole].slice(1));
  t.deepEqual(without(ramp(63, 20), last).slice(0, -1), [...whole].slice(0, -1));
});

test('a picture too large for the kernels is scaled in bands, with the same bits', (t) => {
  // 54 MiB: bands of 16. Rows repeat after 2,000, so the upper half alone is a picture of one band less.
  const [width, height] = [3000, 6000];
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width * 3; x++) pixels[y * width * 3 + x] = (x * 7 + y * y * 13) % 253;
  const image = arithmetic.resizeImage(pixels, width, height, 3, 24, 48);
  // A row of the result looks at 250 of the picture: each eighth with its neighbours is scaled alone as in the whole.
  const row = 24 * 3;
  const part = (first: number, rows: number) =>
    arithmetic.resizeImage(
      pixels.subarray(first * width * 3, (first + rows) * width * 3),
      width,
      rows,
      3,
      24,
      rows / 125,
    );
  t.deepEqual(part(0, 1500).subarray(0, 11 * row), image.subarray(0, 11 * row));
  for (const first of [1000, 2500, 4000])
    t.deepEqual(
      part(first, 1500).subarray(row, 11 * row),
      image.subarray((first / 125 + 1) * row, (first / 125 + 11) * row),
    );
  t.deepEqual(part(4500, 1500).subarray(row), image.subarray(37 * row));
});

test('centreCrop takes the centre', (t) => {
  const pixels = Uint8Array.from({ length: 5 * 4 }, (_, i) => i);
  t.deepEqual([...arithmetic.centreCrop(pixels, 5, 4, 1, 2, 2)], [6, 7, 11, 12]);
});

test('arrays of different sizes are refused', (t) => {
  const x = values(8);
  t.throws(() => arithmetic.qSample(x, values(7), 1, 0), {
    instanceOf: ShapeError,
    message: 'qSample: eps has 7 elements, x0 has 8',
  });
  t.throws(() => arithmetic.resizeImage(new Uint8Array(8), 3, 3, 1, 2, 2), {
    instanceOf: ShapeError,
    message: 'resizeImage: the shape has 9 bytes, pixels has 8',
  });
  t.throws(() => arithmetic.centreCrop(new Uint8Array(4), 2, 2, 1, 3, 2), {
    instanceOf: ShapeError,
    message: 'centreCrop: 3x2 does not fit into 2x2',
  });
});

test('a seed is split into its low and high halves', (t) => {
  t.deepEqual(splitSeed(0), [0, 0]);
  t.deepEqual(splitSeed(2 ** 32 + 7), [7, 1]);
  t.deepEqual(splitSeed(2 ** 53 - 1), [0xffffffff, 0x1fffff]);
  for (const seed of [-1, 0.5, 2 ** 53, Number.NaN])
    t.throws(() => splitSeed(seed), { instanceOf: UsageError, message: /--seed: .* got/ });
});
