import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { zipSync } from 'fflate';
import { withInputFile } from '../../src/io/input-file.js';
import { npyHeader, parseNpy } from '../../src/io/npy.js';
import { openNpz } from '../../src/io/npz.js';
import { readStatistics, writeStatistics } from '../../src/io/statistics-file.js';
import { fixturePath } from '../helpers/cli.js';
import { evaluationFixture } from '../helpers/evaluation.js';
import { temporaryFolder } from '../helpers/folder.js';
import { npy } from '../helpers/npy.js';

const TYPES = ['|u1', '<f4', '<f8'];

/** Reads array `name` of a file whole. */
const read = (path: string, name: string, types = TYPES) =>
  withInputFile(path, 'a .npz', async (file) => {
    const array = await (await openNpz(file)).open(name, types);
    const size = array.shape.reduce((a, b) => a * b, 1) * Number(array.dtype.at(-1));
    const chunks: Buffer[] = [];
    for await (const piece of array.read(size)) chunks.push(Buffer.from(piece));
    return { array, data: Buffer.concat(chunks) };
  });

async function file(t: ExecutionContext, bytes: Uint8Array, name = 'a.npz'): Promise<string> {
  const path = join(await temporaryFolder(t), name);
  await writeFile(path, bytes);
  return path;
}

test('Files of np.savez and np.savez_compressed give the same images', async (t) => {
  const stored = await read(fixturePath('evaluation/images.npz'), 'arr_0');
  const deflated = await read(fixturePath('evaluation/images_compressed.npz'), 'arr_0');
  t.deepEqual(stored.array.shape, [6, 8, 8, 3]);
  t.is(stored.data.length, 6 * 8 * 8 * 3);
  t.deepEqual(stored.data, deflated.data);
  t.true(stored.array.at! > 0);
  t.is(deflated.array.at, null);
});

test('Arrays of several pieces are read whole, stored or deflated', async (t) => {
  const pieces = 4;
  // Of little order, so that the deflated data have several pieces, too.
  const values = Uint32Array.from({ length: pieces << 18 }, (_, i) => Math.imul(i, 0x9e3779b1));
  const bytes = npy([values.length], '<i4', Buffer.from(values.buffer));
  for (const level of [0, 6] as const) {
    const path = await file(t, zipSync({ 'arr_1.npy': bytes }, { level }));
    const kept: Uint8Array[] = [];
    await withInputFile(path, 'a .npz', async (opened) => {
      const array = await (await openNpz(opened)).open('arr_1', ['<i4']);
      for await (const piece of array.read(values.byteLength)) kept.push(piece.slice());
    });
    t.true(Buffer.concat(kept).equals(Buffer.from(values.buffer)), `level ${level}`);
  }
});

test("pytorch-fid's statistics are read, and written statistics are read back", async (t) => {
  const { floats, shape } = await evaluationFixture('features');
  const [count, features] = shape('a') as [number, number];
  const { mean, covariance } = await readStatistics(fixturePath('evaluation/statistics.npz'));
  t.is(mean.length, features);
  t.is(covariance.length, features ** 2);
  const column = Array.from({ length: count }, (_, i) => floats('a')[i * features]!);
  const first = column.reduce((a, b) => a + b, 0) / count;
  t.true(Math.abs(mean[0]! - first) < 1e-12);
  const variance = column.reduce((sum, value) => sum + (value - first) ** 2, 0) / (count - 1);
  t.true(Math.abs(covariance[0]! - variance) < 1e-12);
  const path = join(await temporaryFolder(t), 'own.npz');
  await writeStatistics(path, { mean, covariance });
  t.deepEqual(await readStatistics(path), { mean, covariance });
});

test('A written header is read back, and its data begin at a multiple of 64', (t) => {
  for (const shape of [[7], [2, 3], [100, 32, 32, 3]]) {
    const header = Buffer.from(npyHeader(shape, '<f8'));
    t.deepEqual(parseNpy(header, 'x'), {
      dtype: '<f8',
      fortran: false,
      shape,
      start: header.length,
    });
    t.is(header.length % 64, 0);
  }
});

const literal = (text: string) => {
  const bytes = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${text}`, 'latin1');
  bytes.writeUInt16LE(text.length, 8);
  return bytes;
};

const HEADERS: readonly (readonly [string, Buffer, RegExp])[] = [
  [
    'something else',
    Buffer.from('hello, this is text'),
    /expected a NumPy array, got something else/,
  ],
  [
    'version 9',
    Buffer.from('\x93NUMPY\x09\x00\x00\x00', 'latin1'),
    /version 1, 2 or 3 .* got version 9/,
  ],
  ['a header that is cut off', literal("{'descr': '|u1', ").subarray(0, 20), /cut off/],
  ['a magic alone', Buffer.from('\x93NUMPY\x02\x00', 'latin1'), /cut off/],
  [
    'a header of 4 GiB',
    Buffer.from('\x93NUMPY\x02\x00\xff\xff\xff\xff', 'latin1'),
    /at most 65536 bytes, got 4294967295/,
  ],
  ['no dictionary', literal('import os'), /expected a NumPy header .* got .*import os/],
  [
    'records',
    literal("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (3,), }"),
    /got one of records/,
  ],
  [
    'an endless shape',
    literal("{'descr': '|u1', 'fortran_order': False, 'shape': (9007199254740993, 3), }"),
    /whole numbers below 2\^53, got \(9007199254740993, 3\)/,
  ],
  [
    'a product beyond whole numbers',
    literal("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
    /fewer than 2\^53 elements, got the shape/,
  ],
];

for (const [what, bytes, message] of HEADERS)
  test(`A header is refused for ${what}`, (t) => {
    t.throws(() => parseNpy(bytes, 'x'), { name: 'UsageError', message });
  });

const zip = (entries: Record<string, Uint8Array>) => zipSync(entries, { level: 0 });
const images = npy([2, 4, 4, 3], '|u1', new Uint8Array(96));
const pair = Buffer.from(zip({ 'arr_0.npy': images, 'arr_1.npy': images })).toString('latin1');

const FILES: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['text', Buffer.from('hello'), /expected a \.npz, got a damaged zip/],
  [
    'a zip of something else',
    zip({ 'a.txt': Buffer.from('x') }),
    /with arrays \(NAME\.npy\), got none/,
  ],
  ['a zip that is cut off', zip({ 'arr_0.npy': images }).subarray(0, 120), /damaged zip/],
  ['another array', zip({ 'b.npy': images }), /an array named arr_0, got "?b/],
  [
    'an array that occurs twice',
    Buffer.from(pair.replaceAll('arr_1', 'arr_0'), 'latin1'),
    /damaged zip: .*arr_0\.npy.* occurs twice in it/,
  ],
  [
    'too few bytes',
    zip({ 'arr_0.npy': images.subarray(0, 200) }),
    /expected 224 bytes for its shape \(2, 4, 4, 3\), got 200/,
  ],
  [
    'Python objects',
    zip({ 'arr_0.npy': npy([1], '|O', new Uint8Array(8)) }),
    /Python objects \(a pickle\)/,
  ],
  [
    'another type',
    zip({ 'arr_0.npy': npy([1], '<i8', new Uint8Array(8)) }),
    /of type \|u1 or <f4 or <f8, got "?<i8/,
  ],
];

for (const [what, bytes, message] of FILES)
  test(`A file is refused for ${what}`, async (t) => {
    const path = await file(t, bytes);
    await t.throwsAsync(read(path, 'arr_0'), { name: 'UsageError', message });
  });

for (const [what, name] of [
  ['stored', 'images.npz'],
  ['deflated', 'images_compressed.npz'],
] as const)
  test(`A ${what} entry whose checksum does not match is refused`, async (t) => {
    const damaged = await readFile(fixturePath(`evaluation/${name}`));
    // The directory at the end holds the checksum that counts.
    const directory = damaged.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    const crc = damaged.readUInt32LE(directory + 16);
    damaged.writeUInt32LE((crc ^ 1) >>> 0, directory + 16);
    await t.throwsAsync(read(await file(t, damaged), 'arr_0'), {
      name: 'UsageError',
      message: /"arr_0": damaged: expected data of CRC-32 [0-9a-f]{8}, got [0-9a-f]{8}$/,
    });
  });

test('One changed byte of stored data is refused', async (t) => {
  const damaged = Buffer.from(zip({ 'arr_0.npy': images }));
  damaged[damaged.indexOf(images) + images.length - 1]! ^= 0x40;
  await t.throwsAsync(read(await file(t, damaged), 'arr_0'), {
    name: 'UsageError',
    message: /damaged: expected data of CRC-32/,
  });
});

test('A deflated entry that unpacks to more than its stated size, or is invalid, is refused', async (t) => {
  const packed = Buffer.from(zipSync({ 'arr_0.npy': images }, { level: 9 }));
  const damaged = Buffer.from(packed);
  // Inside the deflated bytes, behind the local header and the entry's name.
  damaged.fill(0xff, 45, 60);
  await t.throwsAsync(read(await file(t, damaged), 'arr_0'), {
    name: 'UsageError',
    message: /unpacked|NumPy|damaged/,
  });
  const more = Buffer.from(
    zipSync({ 'arr_0.npy': Buffer.concat([images, new Uint8Array(50_000)]) }, { level: 9 }),
  );
  // The directory at the end says how long the entry is.
  const directory = more.lastIndexOf('PK\x01\x02', undefined, 'latin1');
  more.writeUInt32LE(images.length, directory + 24);
  await t.throwsAsync(read(await file(t, more), 'arr_0'), {
    name: 'UsageError',
    message: /expected 96 bytes of data, got more|damaged/,
  });
});

const f64 = (values: readonly number[]) => new Uint8Array(Float64Array.from(values).buffer);
const STATISTICS: readonly (readonly [string, Record<string, Uint8Array>, RegExp])[] = [
  ['images', { 'arr_0.npy': images }, /expected the arrays mu and sigma, got "?arr_0/],
  [
    'a mean of two dimensions',
    { 'mu.npy': npy([1, 2], '<f8', f64([1, 2])), 'sigma.npy': npy([1], '<f8', f64([1])) },
    /mu"?: expected a shape \(n,\)/,
  ],
  [
    'a covariance of another size',
    { 'mu.npy': npy([2], '<f8', f64([1, 2])), 'sigma.npy': npy([1, 1], '<f8', f64([1])) },
    /sigma"?: expected the shape \(2, 2\), got \(1, 1\)/,
  ],
  [
    'a NaN',
    { 'mu.npy': npy([1], '<f8', f64([Number.NaN])), 'sigma.npy': npy([1, 1], '<f8', f64([1])) },
    /mu"?: expected finite numbers, got NaN/,
  ],
  [
    'a mean whose square overflows',
    { 'mu.npy': npy([1], '<f8', f64([1e200])), 'sigma.npy': npy([1, 1], '<f8', f64([1])) },
    /mu"?: expected numbers up to ±1e\+100, got 1e\+200$/,
  ],
  [
    'variances whose products overflow',
    { 'mu.npy': npy([1], '<f8', f64([1])), 'sigma.npy': npy([1, 1], '<f8', f64([1e308])) },
    /sigma"?: expected numbers up to ±1e\+100, got 1e\+308$/,
  ],
  [
    'a negative variance',
    { 'mu.npy': npy([1], '<f8', f64([1])), 'sigma.npy': npy([1, 1], '<f8', f64([-1])) },
    /variances of 0 or more, got -1/,
  ],
  [
    'no symmetry',
    {
      'mu.npy': npy([2], '<f8', f64([1, 2])),
      'sigma.npy': npy([2, 2], '<f8', f64([1, 0.5, 0, 1])),
    },
    /symmetric matrix, got 0 at \[1, 0\] and 0\.5 at \[0, 1\]/,
  ],
  [
    'too many features',
    {
      'mu.npy': npy([9000], '<f8', new Uint8Array(72_000)),
      'sigma.npy': npy([1, 1], '<f8', f64([1])),
    },
    /n from 1 to 8192, got \(9000\)/,
  ],
];

for (const [what, entries, message] of STATISTICS)
  test(`Statistics are refused for ${what}`, async (t) => {
    const path = await file(t, zip(entries));
    await t.throwsAsync(readStatistics(path), { name: 'UsageError', message });
    t.true((await stat(path)).size > 0);
  });

test('A deflated entry that cannot contain its stated size is refused before memory is allocated', async (t) => {
  const path = join(await temporaryFolder(t), 'a.npz');
  const side = 8192;
  const bytes = Buffer.from(
    zipSync({
      'mu.npy': npy([side], '<f8', new Uint8Array(8 * side)),
      'sigma.npy': Buffer.from(npyHeader([side, side], '<f8')),
    }),
  );
  // The size that the directory gives for sigma, as its shape has it.
  const entry = bytes.lastIndexOf('PK\x01\x02', undefined, 'latin1');
  bytes.writeUInt32LE(8 * side * side + 128, entry + 24);
  await writeFile(path, bytes);
  await t.throwsAsync(readStatistics(path), {
    name: 'UsageError',
    message: /"sigma": expected what \d+ deflated bytes can hold, got 536871040 bytes$/,
  });
});
