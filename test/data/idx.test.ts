import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { openData, opened, pixels, slopes } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';

/** Five pictures of 8x8, which need no scaling at size 8. */
const COUNT = 5;
const images = Buffer.concat(
  Array.from({ length: COUNT }, (_, i) => Buffer.from(slopes(8, 8, 1).map((v) => v + i))),
);

function idx(dimensions: readonly number[], type = 0x08, data: Buffer = images): Buffer {
  const header = Buffer.alloc(4 + 4 * dimensions.length);
  header[2] = type;
  header[3] = dimensions.length;
  dimensions.forEach((d, i) => {
    header.writeUInt32BE(d, 4 + 4 * i);
  });
  return Buffer.concat([header, data]);
}

test('u8 images are read, plain and gzipped, resident and streamed', async (t) => {
  const folder = await temporaryFolder(t);
  const plain = path.join(folder, 'train-images-idx3-ubyte');
  await writeFile(plain, idx([COUNT, 8, 8]));
  await writeFile(`${plain}.gz`, gzipSync(idx([COUNT, 8, 8])));
  for (const file of [plain, `${plain}.gz`])
    for (const budgetBytes of [2 ** 30, 100]) {
      const dataset = await opened(t, file, { channels: 1, budgetBytes });
      t.is(dataset.resident, budgetBytes > 100);
      t.is(dataset.count, COUNT);
      t.deepEqual(Buffer.from(await pixels(dataset)), images);
    }
});

test('grey digits become RGB by repetition and are scaled to any size', async (t) => {
  const file = path.join(await temporaryFolder(t), 'x');
  await writeFile(file, idx([COUNT, 8, 8]));
  const same = await pixels(await opened(t, file), [2]);
  t.deepEqual([...same.subarray(0, 9)], [2, 2, 2, 33, 33, 33, 65, 65, 65]);
  const large = await opened(t, file, { size: 32, channels: 1 });
  t.is((await pixels(large)).length, COUNT * 32 * 32);
});

const refusals: [string, Buffer, RegExp][] = [
  ['labels', idx([40], 0x08, images.subarray(0, 40)), /one dimension, which is a file of labels/],
  ['floats', idx([COUNT, 4, 4], 0x0d), /IDX of f32; expected images of u8/],
  ['colour', idx([COUNT, 8, 8, 1]), /4 dimensions; expected 3/],
  ['truncated pixels', idx([COUNT + 1, 8, 8]), /expected 384 bytes after the header, got 320/],
  ['trailing bytes', idx([COUNT - 1, 8, 8]), /expected 256 bytes after the header, got more/],
  ['no images', idx([0, 8, 8], 8, Buffer.alloc(0)), /0 images of 8x8; expected at least one/],
  ['a short header', idx([COUNT, 8], 0x08).subarray(0, 12), /2 dimensions/],
  ['half a header', idx([COUNT, 8, 8]).subarray(0, 10), /header ends after 10 of 16 bytes/],
  // Packed, it is refused before so much is unpacked.
  ['a lying header', idx([0xffffffff, 0xffff, 0xffff]), /got 320|of compressed images, got/],
  ['junk', Buffer.from('hello, world, this is junk'), /neither an IDX file nor/],
  ['an empty file', Buffer.alloc(0), /neither an IDX file nor|empty|no IDX/],
];

for (const [what, contents, message] of refusals)
  test(`${what} in place of IDX images is refused in one line`, async (t) => {
    const file = path.join(await temporaryFolder(t), 'data');
    for (const bytes of [contents, gzipSync(contents)]) {
      await writeFile(file, bytes);
      const zipped = bytes !== contents && !message.source.startsWith('neither');
      const error = await t.throwsAsync(openData(file), { instanceOf: UsageError });
      t.regex(error.message, zipped || bytes === contents ? message : /no IDX file inside/);
      t.notRegex(error.message, /\n/);
    }
  });

test('gzip data that ends early is refused', async (t) => {
  const file = path.join(await temporaryFolder(t), 'data.gz');
  await writeFile(file, gzipSync(idx([COUNT, 8, 8])).subarray(0, 40));
  await t.throwsAsync(openData(file), {
    instanceOf: UsageError,
    message: /gzip data cannot be unpacked/,
  });
});

test('images that take more than a quarter of the memory are not unpacked', async (t) => {
  const file = path.join(await temporaryFolder(t), 'data.gz');
  await writeFile(file, gzipSync(idx([0xffffffff, 0xffff, 0xffff])));
  await t.throwsAsync(openData(file), {
    instanceOf: UsageError,
    message:
      /data\.gz: expected at most .* of compressed images, got .*; unpack the file \(gunzip\)$/,
  });
});
