import { execFile } from 'node:child_process';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import test from 'ava';
import { openDataset } from '../../src/data/dataset.js';
import { openSource } from '../../src/data/source.js';
import { UsageError } from '../../src/errors.js';
import {
  from,
  OPTIONS,
  openData,
  opened,
  pixels,
  slopes,
  temporaryFolder,
} from '../helpers/data.js';

/** A flat picture of one grey, so that an image shows where it came from. */
const flat = (grey: number) => from(new Uint8Array(12 * 10 * 3).fill(grey), 12, 10);

const refused = async (t: Parameters<typeof temporaryFolder>[0], spec: string, message: RegExp) => {
  const error = await t.throwsAsync(openData(spec), { instanceOf: UsageError });
  t.regex(error.message, message);
};

test('images at any depth come in the order of their paths, hidden files left out', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(path.join(folder, 'b/deep/er'), { recursive: true });
  await mkdir(path.join(folder, '.hidden'));
  await flat(20).png().toFile(path.join(folder, 'a.PNG'));
  await flat(30).png().toFile(path.join(folder, 'b/deep/er/x.png'));
  await flat(40).tiff().toFile(path.join(folder, 'b/y.tif'));
  await flat(10).webp({ lossless: true }).toFile(path.join(folder, 'Z.webp'));
  await flat(90).png().toFile(path.join(folder, '.hidden/h.png'));
  await flat(90).png().toFile(path.join(folder, '.h.png'));
  await writeFile(path.join(folder, 'notes.txt'), 'not an image');

  const dataset = await opened(t, folder);
  t.is(dataset.name, folder);
  t.deepEqual(dataset.skipped, []);
  const firsts = (await pixels(dataset)).filter((_, i) => i % (8 * 8 * 3) === 0);
  t.deepEqual([...firsts], [10, 20, 30, 40]);
});

test('links to files and folders are followed, each folder once', async (t) => {
  const folder = await temporaryFolder(t);
  const elsewhere = await temporaryFolder(t);
  await flat(50).png().toFile(path.join(elsewhere, 'a.png'));
  await symlink(path.join(elsewhere, 'a.png'), path.join(folder, 'link.png'));
  await symlink(elsewhere, path.join(folder, 'linked'));
  await symlink(folder, path.join(folder, 'loop'));
  t.is((await opened(t, folder)).count, 2);
});

test('unreadable files are named with their reason, and the others keep their order', async (t) => {
  const folder = await temporaryFolder(t);
  const jpeg = await from(slopes(200, 100), 200, 100).jpeg().toBuffer();
  const png = await from(slopes(60, 60), 60, 60).png().toBuffer();
  await flat(11).png().toFile(path.join(folder, 'a.png'));
  await writeFile(path.join(folder, 'b-empty.jpg'), '');
  await writeFile(path.join(folder, 'c-text.jpg'), 'this is no picture');
  await writeFile(path.join(folder, 'd-truncated.jpg'), jpeg.subarray(0, jpeg.length / 2));
  await flat(22).png().toFile(path.join(folder, 'e.png'));
  await writeFile(path.join(folder, 'f-truncated.png'), png.subarray(0, png.length - 40));
  await writeFile(path.join(folder, 'g.bmp'), 'BM');
  await symlink(path.join(folder, 'nowhere'), path.join(folder, 'h.png'));
  await flat(33).png().toFile(path.join(folder, 'i.png'));

  for (const budgetBytes of [2 ** 30, 1]) {
    const dataset = await opened(t, folder, { budgetBytes });
    t.is(dataset.resident, budgetBytes > 1);
    t.deepEqual(
      dataset.skipped.map((s) => path.relative(folder, s.path)),
      ['b-empty.jpg', 'c-text.jpg', 'd-truncated.jpg', 'f-truncated.png', 'g.bmp', 'h.png'],
    );
    t.is(dataset.skipped[0]!.reason, 'the file is empty');
    t.is(dataset.skipped.at(-1)!.reason, 'no such file or folder (ENOENT)');
    for (const { reason } of dataset.skipped) t.regex(reason, /^[^\n]+$/);
    const firsts = (await pixels(dataset)).filter((_, i) => i % (8 * 8 * 3) === 0);
    t.deepEqual([...firsts], [11, 22, 33]);
  }
});

// Alone: libvips keeps the messages of the whole process in one place.
test.serial(
  'each damaged file is named with its own reason, however many are decoded at a time',
  async (t) => {
    const folder = await temporaryFolder(t);
    const jpeg = await from(slopes(200, 100), 200, 100).jpeg().toBuffer();
    const png = await from(slopes(60, 60), 60, 60).png().toBuffer();
    for (let i = 0; i < 40; i++) {
      await writeFile(path.join(folder, `${i}.jpg`), jpeg.subarray(0, jpeg.length / 2));
      await writeFile(path.join(folder, `${i}.png`), png.subarray(0, png.length / 2));
    }
    await flat(7).png().toFile(path.join(folder, 'whole.png'));
    const { count, skipped } = await opened(t, folder, { threads: 3 });
    t.is(count, 1);
    t.is(skipped.length, 80);
    for (const { path: name, reason } of skipped)
      t.regex(reason, name.endsWith('.jpg') ? /premature end of JPEG/ : /^vipspng: /, name);
  },
);

test('a pipe with the name of a picture is skipped, not waited for', async (t) => {
  if (process.platform === 'win32') return t.pass('there are no named pipes among files');
  const folder = await temporaryFolder(t);
  await promisify(execFile)('mkfifo', [path.join(folder, 'a.png')]);
  await symlink('/dev/zero', path.join(folder, 'b.jpg'));
  await flat(5).png().toFile(path.join(folder, 'c.png'));
  const { count, skipped } = await opened(t, folder);
  t.is(count, 1);
  t.deepEqual(
    skipped.map(({ reason }) => reason),
    Array(2).fill('it is a folder, a pipe or a device'),
  );
});

test('a folder that is linked to goes by the first of its names, whatever order the disk lists', async (t) => {
  const folder = await temporaryFolder(t);
  // Made in falling order: a file system that lists by age would enter `z` first.
  await mkdir(path.join(folder, 'z'));
  await flat(5)
    .png()
    .toFile(path.join(folder, 'z', 'x.png'));
  for (const name of ['m', 'c', 'q', 'b', 'a']) await symlink('z', path.join(folder, name));
  const source = await openSource(folder, 0);
  t.is(source.count, 1);
  t.is(source.label(0), path.join(folder, 'a', 'x.png'));
});

test('decoding ends when it is asked to', async (t) => {
  const source = await openSource('toy-cars', 0);
  const controller = new AbortController();
  const onProgress = () => controller.abort(new Error('enough'));
  const options = { ...OPTIONS, onProgress, signal: controller.signal };
  await t.throwsAsync(openDataset(source, options), { message: 'enough' });
});

test('a picture of more pixels than sharp allows is skipped', async (t) => {
  const folder = await temporaryFolder(t);
  const header = Buffer.from(await flat(1).png().toBuffer());
  // A PNG that claims 65500 x 65500 pixels; its header's checksum is brought up to date.
  header.writeUInt32BE(65500, 16);
  header.writeUInt32BE(65500, 20);
  header.writeUInt32BE(crc32(header.subarray(12, 29)), 29);
  await writeFile(path.join(folder, 'bomb.png'), header);
  await flat(2).png().toFile(path.join(folder, 'ok.png'));
  const dataset = await opened(t, folder);
  t.is(dataset.count, 1);
  t.regex(dataset.skipped[0]!.reason, /pixel limit/);
});

test('a folder without one readable image is an error that says why', async (t) => {
  const folder = await temporaryFolder(t);
  await refused(t, folder, /the folder is empty; expected .jpg/);
  await writeFile(path.join(folder, 'notes.txt'), 'x');
  await refused(t, folder, /no images; expected .jpg.*found notes.txt/);
  await writeFile(path.join(folder, 'train-images-idx3-ubyte'), 'x');
  await refused(t, folder, /name it: .*train-images-idx3-ubyte/);
  const other = await temporaryFolder(t);
  await writeFile(path.join(other, 'train.bin'), 'x');
  await refused(t, other, /name it: .*train\.bin/);
  await writeFile(path.join(folder, 'a.png'), 'x');
  await writeFile(path.join(folder, 'b.png'), '');
  await refused(t, folder, /none of its images can be read \(2\); .*a.png: /);
});

test('a missing path is an error that says what is expected or meant', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(path.join(folder, 'photos'));
  await refused(t, path.join(folder, 'elephants'), /no such folder or file; expected a folder of/);
  await refused(t, path.join(folder, 'phtos'), /did you mean .*photos\?/);
  await refused(t, 'toy-car', /did you mean toy-cars\?/);
  await refused(t, path.join(folder, 'toycar'), /did you mean toy-cars\?/);
  await refused(t, 'toycars', /did you mean toy-cars\?/);
  await refused(t, 'Toy_Cars', /did you mean toy-cars\?/);
  await flat(1).png().toFile(path.join(folder, 'one.png'));
  await refused(t, path.join(folder, 'one.png'), /neither an IDX file nor.*expected a folder/);
});

/** Root may read everything. */
const unlessRoot = process.getuid?.() === 0 ? test.skip : test;

unlessRoot('a folder without permission is an error', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(path.join(folder, 'closed'), { mode: 0o000 });
  await refused(t, path.join(folder, 'closed'), /cannot be read: permission denied \(EACCES\)/);
  await chmod(path.join(folder, 'closed'), 0o700);
});
