import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import { openDataset } from '../../src/data/dataset.js';
import { openGiven } from '../../src/data/given.js';
import { ownShape } from '../../src/data/own-shape.js';
import { openSource } from '../../src/data/source.js';
import { writeArray } from '../../src/io/array-file.js';
import { npyHeader, parseNpy } from '../../src/io/npy.js';
import { fixturePath } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { npy } from '../helpers/npy.js';

async function pixels(t: ExecutionContext, path: string, size = 8, channels: 1 | 3 = 3) {
  const source = await openSource(path, 0);
  const data = await openDataset(source, { size, channels, fit: 'squash', threads: 1 });
  t.teardown(() => data.close());
  const out = new Uint8Array(data.count * size * size * channels);
  await data.read(
    Array.from({ length: data.count }, (_, i) => i),
    out,
  );
  return { source, out };
}

test('Arrays of images are data: stored, deflated, bare and as safetensors, with the same pixels', async (t) => {
  const stored = await readFile(fixturePath('evaluation/images.npz'));
  const raw = stored.subarray(stored.indexOf('\x93NUMPY', 0, 'latin1'));
  const start = 10 + raw.readUInt16LE(8);
  const images = raw.subarray(start, start + 6 * 8 * 8 * 3);
  const folder = await temporaryFolder(t);
  const shape = [6, 8, 8, 3];
  async function* all() {
    yield images;
  }
  await writeArray(join(folder, 'own.safetensors'), 'safetensors', shape, all());
  await writeArray(join(folder, 'own.npz'), 'npz', shape, all());
  await writeFile(join(folder, 'own.npy'), npy(shape, '|u1', images));
  for (const path of [
    fixturePath('evaluation/images.npz'),
    fixturePath('evaluation/images_compressed.npz'),
    ...['own.npz', 'own.npy', 'own.safetensors'].map((name) => join(folder, name)),
  ]) {
    const { source, out } = await pixels(t, path);
    t.is(source.count, 6, path);
    t.deepEqual(Buffer.from(out), images, path);
    t.regex(source.label(2), /, image 2$/);
  }
});

test('Grey arrays may have three dimensions, and the first of several arrays is the default', async (t) => {
  const folder = await temporaryFolder(t);
  const grey = npy(
    [2, 4, 4],
    '|u1',
    Uint8Array.from({ length: 32 }, (_, i) => 8 * i),
  );
  await writeFile(
    join(folder, 'a.npz'),
    zipSync({ 'other.npy': npy([1], '|u1', new Uint8Array(1)), 'arr_0.npy': grey }, { level: 0 }),
  );
  const { out } = await pixels(t, join(folder, 'a.npz'), 4, 1);
  t.deepEqual(
    [...out],
    Array.from({ length: 32 }, (_, i) => 8 * i),
  );
});

test('A folder of haze generate stands for its array, and is refused if it is unfinished', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(join(folder, 'manifest-1-of-1.jsonl'), '');
  await writeFile(join(folder, 'images.part'), '');
  await t.throwsAsync(openSource(folder, 0), {
    name: 'UsageError',
    message: /not finished; run the same command/,
  });
  await writeFile(join(folder, 'images.npz'), await readFile(fixturePath('evaluation/images.npz')));
  t.is((await openSource(folder, 0)).count, 6);
});

test('transparent pixels of arrays show white, like those of pictures', async (t) => {
  const folder = await temporaryFolder(t);
  // Every opacity, over colours of all kinds.
  const rgba = Uint8Array.from({ length: 2 * 16 * 16 * 4 }, (_, i) => {
    const pixel = Math.floor(i / 4);
    return i % 4 === 3 ? pixel % 256 : (37 * pixel + 91 * (i % 4)) % 256;
  });
  const each = 16 * 16 * 4;
  await mkdir(join(folder, 'pictures'));
  for (const i of [0, 1])
    await sharp(rgba.subarray(i * each, (i + 1) * each), {
      raw: { width: 16, height: 16, channels: 4 },
    })
      .png()
      .toFile(join(folder, 'pictures', `${i}.png`));
  await writeFile(join(folder, 'own.npy'), npy([2, 16, 16, 4], '|u1', rgba));
  const { out: expected } = await pixels(t, join(folder, 'pictures'), 16);
  t.deepEqual((await pixels(t, join(folder, 'own.npy'), 16)).out, expected);
  const given = [0, 1].map((i) => ({
    ...{ width: 16, height: 16, channels: 4 as const },
    pixels: rgba.subarray(i * each, (i + 1) * each),
  }));
  const source = await openGiven('data', given, 2 ** 20);
  const data = await openDataset(source, { size: 16, channels: 3, fit: 'squash', threads: 1 });
  t.teardown(() => data.close());
  const out = new Uint8Array(expected.length);
  await data.read([0, 1], out);
  t.deepEqual(out, expected);
  t.is((await ownShape(source))?.channels, 3);
});

test('an array of images that are too large is refused for their size', async (t) => {
  const path = join(await temporaryFolder(t), 'a.npy');
  const pixels = 20_000 ** 2;
  await writeFile(path, npyHeader([1, 20_000, 20_000, 3]));
  await truncate(path, npyHeader([1, 20_000, 20_000, 3]).length + 3 * pixels);
  await t.throwsAsync(openSource(path, 0), {
    name: 'UsageError',
    message: `${path}: expected at most 268435456 pixels per image, got 20000x20000`,
  });
});

test('a shape that is no array is refused for what is wrong with it', (t) => {
  const shapes: [shape: number[], message: string][] = [
    [
      [2 ** 32, 65_536, 65_536, 3],
      'a: expected an array of fewer than 2^53 elements, got the shape (4294967296, 65536, 65536, 3)',
    ],
    [new Array<number>(9).fill(1), 'a: expected at most 8 dimensions, got 9'],
    [[2 ** 60], 'a: expected dimensions of whole numbers below 2^53, got (1152921504606847000,)'],
  ];
  for (const [shape, message] of shapes)
    t.throws(() => parseNpy(Buffer.from(npyHeader(shape)), 'a'), { name: 'UsageError', message });
});

const BAD: readonly (readonly [string, Uint8Array, RegExp])[] = [
  [
    'a.npy',
    npy([2, 4, 4, 2], '|u1', new Uint8Array(64)),
    /with 1, 3 or 4 channels behind, got \(2, 4, 4, 2\)/,
  ],
  ['a.npy', npy([0, 4, 4, 3], '|u1', new Uint8Array(0)), /got \(0, 4, 4, 3\)/],
  ['a.npy', npy([2, 4, 4, 3], '|u1', new Uint8Array(90)), /expected 224 bytes .* got 218/],
  ['a.npy', npy([2, 4, 4, 3], '<f4', new Uint8Array(384)), /of type \|u1, got/],
  [
    'a.npz',
    zipSync({
      'a.npy': npy([1], '|u1', new Uint8Array(1)),
      'b.npy': npy([1], '|u1', new Uint8Array(1)),
    }),
    /expected one array of images, or arr_0, got/,
  ],
  ['a.safetensors', Buffer.from('not a header at all'), /expected a/],
];

for (const [name, bytes, message] of BAD)
  test(`${name} is refused: ${message.source}`, async (t) => {
    const folder = await temporaryFolder(t);
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, name), bytes);
    await t.throwsAsync(openSource(join(folder, name), 0), { name: 'UsageError', message });
  });

test('Stored images with a changed byte are refused, as NumPy refuses them', async (t) => {
  const path = join(await temporaryFolder(t), 'a.npz');
  const images = npy([2, 4, 4, 3], '|u1', new Uint8Array(96));
  const bytes = Buffer.from(zipSync({ 'arr_0.npy': images }, { level: 0 }));
  bytes[bytes.indexOf(images) + images.length - 1]! ^= 0x40;
  await writeFile(path, bytes);
  await t.throwsAsync(openSource(path, 0), {
    name: 'UsageError',
    message: /"arr_0": damaged: expected data of CRC-32 [0-9a-f]{8}, got [0-9a-f]{8}$/,
  });
});

test('Statistics and weights are not mistaken for images', async (t) => {
  await t.throwsAsync(openSource(fixturePath('evaluation/statistics.npz'), 0), {
    message: /expected one array of images, or arr_0, got statistics of features/,
  });
  await t.throwsAsync(openSource(fixturePath('unet_l2_8.safetensors'), 0), {
    message: /expected one tensor of type U8, .* got \d+ tensors/,
  });
});

test('Labels beside the images of a .npz are classes, in any integer type, stored or deflated', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'a.npz');
  const images = npy([3, 4, 4], '|u1', new Uint8Array(48));
  const write = (labels: Buffer, level: 0 | 6 = 0) =>
    writeFile(path, zipSync({ 'arr_0.npy': images, 'arr_1.npy': labels }, { level }));
  const bytesOf = (array: Int32Array | BigInt64Array) => new Uint8Array(array.buffer);
  const labels = [
    npy([3], '|u1', Uint8Array.of(2, 0, 300 - 256)),
    npy([3], '<i4', bytesOf(Int32Array.of(2, 0, 44))),
    npy([3], '<i8', bytesOf(BigInt64Array.of(2n, 0n, 44n))),
  ];
  for (const [i, array] of labels.entries()) {
    await write(array, i === 1 ? 6 : 0);
    const classes = await (await openSource(path, 0)).classes!();
    t.deepEqual([...classes.labels], [2, 0, 44]);
    t.is(classes.names.length, 45);
  }
  for (const [array, message] of [
    [npy([2], '|u1', Uint8Array.of(1, 0)), /"arr_1": expected 3 labels, one per image, got \(2\)$/],
    [
      npy([3], '<f4', new Uint8Array(12)),
      /expected an array of type \|u1 or <i4 or <i8, got "<f4"/,
    ],
    [
      npy([3], '<i8', bytesOf(BigInt64Array.of(1n, -1n, 0n))),
      /image 1: expected a label from 0 to 9999, got -1$/,
    ],
  ] as const) {
    await write(array);
    const { classes } = await openSource(path, 0);
    await t.throwsAsync(classes!(), { name: 'UsageError', message });
  }
  const { classes } = await openSource(fixturePath('evaluation/images.npz'), 0);
  t.is(classes, undefined);
});
