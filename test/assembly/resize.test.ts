import { readFileSync } from 'node:fs';
import test from 'ava';
import { tuple } from '../../src/engine/program.js';
import { type Bench, close, eachBuild } from '../helpers/kernels.js';

interface Case {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly outWidth: number;
  readonly outHeight: number;
  /** Base64 of u8 [height, width, channels], and of PIL's result. */
  readonly pixels: string;
  readonly resized: string;
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../../test/fixtures/resize/pil.json', import.meta.url), 'utf8'),
) as { cases: Case[] };

const decode = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));
const name = (c: Case) => `${c.width}x${c.height}x${c.channels} to ${c.outWidth}x${c.outHeight}`;

/** Scales by the kernels, tables included, each in the bench's shares; a scratch row for each share. */
function resize(bench: Bench, c: Case, pixels: Uint8Array): Uint8Array {
  const axis = (inSize: number, outSize: number) => {
    const taps = bench.kernels.resizeTaps(inSize, outSize);
    const tables = tuple(bench.alloc(8 * outSize), bench.alloc(4 * outSize * taps));
    bench.run('resizeWeights', [...tables, inSize, 0, inSize, outSize, taps], outSize);
    return tuple(...tables, taps);
  };
  const length = c.outHeight * c.outWidth * c.channels;
  const out = bench.put(new Uint8Array(length + 1).fill(42), 1);
  const row = bench.alloc(4 * (c.width * c.channels + 3));
  const tables = tuple(...axis(c.height, c.outHeight), ...axis(c.width, c.outWidth));
  const from = bench.put(pixels, 1);
  bench.run('resize', [out, from, row, ...tables, c.width, c.outWidth, c.channels], c.outHeight);
  const got = bench.u8(out, length + 1);
  if (got[length] !== 42) throw new Error('resize wrote past its output');
  return got.slice(0, length);
}

/** The means before rounding, in f64, straight from the definition. */
function reference(c: Case, pixels: Uint8Array): Float64Array {
  const weight = (inSize: number, outSize: number, i: number) => {
    const scale = inSize / outSize;
    const radius = Math.max(scale, 1);
    const all = Array.from({ length: inSize }, (_, x) =>
      Math.max(0, 1 - Math.abs(x + 0.5 - (i + 0.5) * scale) / radius),
    );
    const sum = all.reduce((a, b) => a + b);
    return all.map((w) => w / sum);
  };
  const out = new Float64Array(c.outHeight * c.outWidth * c.channels);
  const columns = Array.from({ length: c.outWidth }, (_, x) => weight(c.width, c.outWidth, x));
  for (let y = 0; y < c.outHeight; y++) {
    const rows = weight(c.height, c.outHeight, y);
    for (let x = 0; x < c.outWidth; x++)
      for (let k = 0; k < c.channels; k++) {
        let sum = 0;
        rows.forEach((wy, j) => {
          columns[x]!.forEach((wx, i) => {
            sum += wy * wx * pixels[(j * c.width + i) * c.channels + k]!;
          });
        });
        out[(y * c.outWidth + x) * c.channels + k] = sum;
      }
  }
  return out;
}

const worst = (a: Uint8Array, b: Uint8Array) =>
  a.reduce((most, v, i) => Math.max(most, Math.abs(v - b[i]!)), 0);

eachBuild("resize is within one level of PIL's, up and down, for 1 to 4 channels", (t, bench) => {
  for (const c of cases) {
    const got = resize(bench, c, decode(c.pixels));
    t.is(got.length, decode(c.resized).length);
    t.true(worst(got, decode(c.resized)) <= 1, name(c));
  }
});

eachBuild('resize rounds the mean under the triangle to the nearest level', (t, bench) => {
  for (const c of cases) {
    const got = resize(bench, c, decode(c.pixels));
    // f32 sums of up to 200 levels are good to 1e-4 of a level, which decides ties alone.
    close(t, got, reference(c, decode(c.pixels)), { atol: 0.5 + 1e-4, what: name(c) });
  }
});

eachBuild('an image of one colour keeps its colour at any size', (t, bench) => {
  for (const colour of [0, 1, 127, 254, 255])
    for (const [width, outWidth] of [
      [1, 7],
      [7, 1],
      [3, 5],
      [100, 3],
      [9, 9],
    ] as const) {
      const c = { width, height: outWidth, channels: 3, outWidth, outHeight: width } as Case;
      const got = resize(bench, c, new Uint8Array(width * outWidth * 3).fill(colour));
      t.true(
        got.every((v) => v === colour),
        name(c),
      );
      bench.reset();
    }
});

eachBuild('resizing to the same size changes nothing', (t, bench) => {
  const c = { width: 19, height: 7, channels: 3, outWidth: 19, outHeight: 7 } as Case;
  const pixels = Uint8Array.from({ length: 19 * 7 * 3 }, (_, i) => (i * 73) & 255);
  t.deepEqual(resize(bench, c, pixels), pixels);
});

test('the fixture covers every kind of case', (t) => {
  t.deepEqual(new Set(cases.map((c) => c.channels)).size, 4);
  t.true(cases.some((c) => c.outWidth > c.width) && cases.some((c) => c.outWidth < c.width));
});
