import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import sharp, { type Sharp } from 'sharp';
import type { DatasetOptions } from '../../src/data/dataset.js';
import { fixture, from, opened, pixels, slopes } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';

/** The one image that a folder with this one file gives. */
async function decoded(
  t: ExecutionContext,
  file: Buffer,
  name: string,
  options: Partial<DatasetOptions> = {},
): Promise<Uint8Array> {
  const folder = await temporaryFolder(t);
  await writeFile(path.join(folder, name), file);
  const dataset = await opened(t, folder, options);
  t.deepEqual(dataset.skipped, []);
  return pixels(dataset);
}

const raw = (name: string): Promise<Buffer> => sharp(fixture(name)).raw().toBuffer();

const grey = (image: Uint8Array): Uint8Array => image.filter((_, i) => i % 3 === 0);

/** Pillow rounds between its two passes and we do not, which moves a pixel by one at most. */
const PILLOW = { atol: 1 };

test('a PNG is squashed as in Pillow, down and up', async (t) => {
  for (const name of ['resize', 'resize_up']) {
    const got = await decoded(t, await readFile(fixture(`${name}.png`)), 'a.png', { size: 32 });
    close(t, got, await raw(`${name}_squash_32.png`), { ...PILLOW, what: name });
  }
});

test('a PNG is cropped as in torchvision: short side, then centre', async (t) => {
  const file = await readFile(fixture('resize.png'));
  const got = await decoded(t, file, 'a.png', { size: 32, fit: 'crop' });
  close(t, got, await raw('resize_crop_32.png'), PILLOW);
});

test('a PNG is converted to grey as in Pillow', async (t) => {
  const file = await readFile(fixture('resize.png'));
  const got = await decoded(t, file, 'a.png', { size: 32, channels: 1 });
  close(
    t,
    got,
    grey(await sharp(fixture('resize_grey_32.png')).toColourspace('srgb').raw().toBuffer()),
    PILLOW,
  );
});

/** Mean and largest difference of two images. */
function difference(a: Uint8Array, b: Uint8Array): { mean: number; most: number } {
  const all = [...a].map((v, i) => Math.abs(v - b[i]!));
  return { mean: all.reduce((sum, v) => sum + v, 0) / all.length, most: Math.max(...all) };
}

test('a JPEG far larger than the target is decoded at reduced size, and matches Pillow at full size', async (t) => {
  // 519x391, which no shrinking factor divides.
  const file = await readFile(fixture('resize.jpg'));
  const got = await decoded(t, file, 'a.jpg', { size: 32 });
  const { mean, most } = difference(got, await raw('resize_jpg_squash_32.png'));
  // Leaving out frequencies is a slightly sharper low-pass filter than Pillow's, as hard edges show.
  t.true(mean < 0.6, `mean difference ${mean}`);
  // The last columns and rows are missing from a shrunk picture; pixels at the border show it.
  t.true(most <= 16, `largest difference ${most}`);
});

test('a JPEG less than four times the target is decoded at full size, within two levels of Pillow', async (t) => {
  const file = await readFile(fixture('resize.jpg'));
  const got = await decoded(t, file, 'a.jpg', { size: 100 });
  const whole = sharp(file).raw().toBuffer({ resolveWithObject: true });
  const { data, info } = await whole;
  const png = await from(data, info.width, info.height).png().toBuffer();
  t.deepEqual(got, await decoded(t, png, 'a.png', { size: 100 }));
});

/** Larger than the target, to be scaled. */
const [W, H] = [48, 32];

/** The slopes at the target's size, by way of an 8-bit PNG. */
const expectedSlopes = async (t: ExecutionContext, channels: 1 | 3 = 3) =>
  decoded(
    t,
    await from(slopes(W, H, channels), W, H)
      .png()
      .toBuffer(),
    'a.png',
  );

const sixteen = (channels: 1 | 3) => Uint16Array.from(slopes(W, H, channels), (v) => v * 257);

test('grey, 16-bit, palette and lossless files of any format are decoded', async (t) => {
  const rgb = await expectedSlopes(t);
  const picture = () => from(slopes(W, H), W, H);
  const files: [string, Buffer, number][] = [
    ['a.webp', await picture().webp({ lossless: true }).toBuffer(), 0],
    ['a.tiff', await picture().tiff({ compression: 'lzw' }).toBuffer(), 0],
    ['16.png', await from(sixteen(3), W, H).toColourspace('rgb16').png().toBuffer(), 1],
    // Lossy: a palette of 256 colours, and two codecs at high quality.
    ['a.gif', await picture().gif({ dither: 0 }).toBuffer(), 16],
    ['a.jpg', await picture().jpeg({ quality: 98 }).toBuffer(), 6],
    ['a.avif', await picture().avif({ quality: 90 }).toBuffer(), 10],
  ];
  for (const [name, file, atol] of files)
    close(t, await decoded(t, file, name), rgb, { atol, what: name });

  const expected = await expectedSlopes(t, 1);
  const greys: [string, Buffer, number][] = [
    [
      'grey.jpg',
      await from(slopes(W, H, 1), W, H)
        .toColourspace('b-w')
        .jpeg({ quality: 98 })
        .toBuffer(),
      4,
    ],
    ['grey16.png', await from(sixteen(1), W, H).toColourspace('grey16').png().toBuffer(), 1],
  ];
  for (const [name, file, atol] of greys) {
    t.is((await sharp(file).metadata()).channels, 1, name);
    close(t, await decoded(t, file, name), expected, { atol, what: name });
  }
});

test('a JPEG with a gain map, as phones write it, is read as a plain JPEG', async (t) => {
  // Ultra HDR, by libvips: pyvips.Image.uhdrsave of resize.png at twice its brightness. The gain map is a second JPEG.
  const file = await readFile(fixture('gain_map.jpg'));
  const second = file.lastIndexOf(Buffer.from([0xff, 0xd8, 0xff]));
  t.true(second > 0);
  const got = await decoded(t, file, 'a.jpg', { size: 32 });
  t.deepEqual(got, await decoded(t, file.subarray(0, second), 'a.jpg', { size: 32 }));
});

test('a CMYK JPEG is converted to the colours of its inks', async (t) => {
  const muted = from(
    slopes(W, H).map((v) => 90 + v / 4),
    W,
    H,
  );
  const cmyk = await muted.clone().toColourspace('cmyk').jpeg({ quality: 98 }).toBuffer();
  t.is((await sharp(cmyk).metadata()).space, 'cmyk');
  const expected = await decoded(t, await muted.png().toBuffer(), 'a.png');
  // To inks and back through two colour profiles.
  close(t, await decoded(t, cmyk, 'a.jpg'), expected, { atol: 12 });
});

test('transparent pixels are shown on white', async (t) => {
  const rgba = new Uint8Array(W * H * 4);
  for (let i = 0; i < W * H; i++) rgba.set([200, 0, 0, i % W < W / 2 ? 0 : 255], 4 * i);
  const greyAlpha = new Uint8Array(W * H * 2).map((_, i) => (i % 2 ? 0 : 7));
  const colour = await decoded(t, await from(rgba, W, H).png().toBuffer(), 'a.png');
  t.deepEqual([...colour.subarray(0, 3)], [255, 255, 255]);
  t.deepEqual([...colour.subarray(21, 24)], [200, 0, 0]);
  const grey = await decoded(
    t,
    await from(greyAlpha, W, H).toColourspace('b-w').png().toBuffer(),
    'a.png',
    { channels: 1 },
  );
  t.deepEqual([...new Set(grey)], [255]);
});

/** A GIF of one red frame on a canvas, of which it covers a part: every pixel is a code of 3 bits after a clear code. */
function gifWithFrame(
  canvas: number,
  frame: readonly [number, number, number, number],
  more = '',
): Buffer {
  const [left, top, width, height] = frame;
  const codes = Array.from({ length: width * height }, () => [4, 1]).flat();
  const bits = [...codes, 5].flatMap((code) => [code & 1, (code >> 1) & 1, code >> 2]);
  const data = Array.from({ length: Math.ceil(bits.length / 8) }, (_, i) =>
    bits.slice(8 * i, 8 * i + 8).reduce((byte, bit, k) => byte | (bit << k), 0),
  );
  const shorts = (...values: number[]) => values.flatMap((v) => [v & 255, v >> 8]);
  const blocks = Array.from({ length: Math.ceil(data.length / 255) }, (_, i) => {
    const block = data.slice(255 * i, 255 * (i + 1));
    return [block.length, ...block];
  }).flat();
  const palette = [0, 0, 255, 255, 0, 0, 0, 255, 0, 0, 0, 0];
  return Buffer.from([
    ...Buffer.from('GIF89a'),
    ...shorts(canvas, canvas),
    ...[0x81, 0, 0, ...palette],
    ...Buffer.from(more, 'latin1'),
    ...[0x2c, ...shorts(left, top, width, height), 0, 2, ...blocks, 0, 0x3b],
  ]);
}

test('the canvas that the first frame of a GIF does not cover is white', async (t) => {
  // An extension of three blocks before the frame, one of them full.
  const comment = `!\xfe\xff${'x'.repeat(255)}\x02yy\x01z\0`;
  for (const more of ['', comment]) {
    const part = await decoded(t, gifWithFrame(16, [4, 2, 6, 8], more), 'a.gif', { size: 16 });
    const red = Array.from({ length: 256 }, (_, i) => {
      const [x, y] = [i % 16, Math.floor(i / 16)];
      return x >= 4 && x < 10 && y >= 2 && y < 10;
    });
    t.deepEqual(
      [...part],
      red.flatMap((inside) => (inside ? [255, 0, 0] : [255, 255, 255])),
    );
  }
  const whole = await decoded(t, gifWithFrame(16, [0, 0, 16, 16]), 'a.gif', { size: 16 });
  t.deepEqual([...new Set(whole)], [255, 0]);
  // A frame beyond the canvas makes it larger.
  const beyond = await decoded(t, gifWithFrame(4, [4, 4, 4, 4]), 'a.gif', { size: 8 });
  t.deepEqual([...beyond.subarray(0, 3)], [255, 255, 255]);
  t.deepEqual([...beyond.subarray(-3)], [255, 0, 0]);
});

/** How a picture is stored so that each EXIF orientation shows it upright: 1 to 8. */
const ORIENTATIONS: readonly ((s: Sharp) => Sharp)[][] = [
  [],
  [(s) => s.flop()],
  [(s) => s.rotate(180)],
  [(s) => s.flip()],
  [(s) => s.rotate(90), (s) => s.flop()],
  [(s) => s.rotate(270)],
  [(s) => s.rotate(270), (s) => s.flop()],
  [(s) => s.rotate(90)],
];

// A picture whose sides are no multiples of the shrinking factor lacks a border on some side once it is shrunk.
for (const [size, width, height, how] of [
  [12, 207, 103, 'shrunk while it loads, less a border'],
  [12, 208, 104, 'shrunk while it loads, all of it'],
  [60, 207, 103, 'decoded whole'],
] as const)
  test(`the eight EXIF orientations of a JPEG give the same picture, ${how}`, async (t) => {
    const upright = from(slopes(width, height), width, height);
    const expected = await decoded(t, await upright.clone().png().toBuffer(), 'a.png', { size });
    for (const [i, steps] of ORIENTATIONS.entries()) {
      let stored = await upright.clone().png().toBuffer();
      for (const step of steps) stored = await step(sharp(stored)).png().toBuffer();
      const file = await sharp(stored)
        .withMetadata({ orientation: i + 1 })
        .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
        .toBuffer();
      // The codec's loss, and the border that a shrunk picture lacks.
      const what = `orientation ${i + 1}`;
      close(t, await decoded(t, file, 'a.jpg', { size }), expected, { atol: 4, what });
    }
  });

test('a file name may contain brackets', async (t) => {
  const file = await from(slopes(96, 64), 96, 64).jpeg().toBuffer();
  t.deepEqual(await decoded(t, file, 'a [page=3] (copy).jpg'), await decoded(t, file, 'a.jpg'));
});

test('images do not depend on the number of workers', async (t) => {
  const folder = await temporaryFolder(t);
  for (let i = 0; i < 20; i++)
    await from(slopes(20 + i, 30), 20 + i, 30)
      .png()
      .toFile(path.join(folder, `${i}.png`));
  const one = await pixels(await opened(t, folder, { threads: 1 }));
  t.deepEqual(await pixels(await opened(t, folder, { threads: 3 })), one);
});
