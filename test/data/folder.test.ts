import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { crc32, gzipSync } from 'node:zlib';
import test from 'ava';
import { strToU8, zipSync } from 'fflate';
import { openDataset } from '../../src/data/dataset.js';
import { openSource } from '../../src/data/source.js';
import { Interrupted, UsageError } from '../../src/errors.js';
import { fixture, from, OPTIONS, openData, opened, pixels, slopes } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';

/** A flat picture of one grey, so that an image shows where it came from. */
const flat = (grey: number) => from(new Uint8Array(12 * 10 * 3).fill(grey), 12, 10);

const refused = async (t: Parameters<typeof temporaryFolder>[0], spec: string, message: RegExp) => {
  const error = await t.throwsAsync(openData(spec), { instanceOf: UsageError });
  t.regex(error.message, message);
};

test('images at any depth are listed in path order, without hidden files', async (t) => {
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
  'each damaged file is named with its own reason, however many are decoded at once',
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

/** A drawing that takes librsvg longer than anybody waits: ten uses of ten uses, nine times over. */
const ENDLESS = `<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"><defs><g id="a0"><rect width="900" height="900" opacity=".1"/></g>${Array.from(
  { length: 9 },
  (_, i) => `<g id="a${i + 1}">${`<use href="#a${i}"/>`.repeat(10)}</g>`,
).join('')}</defs><use href="#a9"/></svg>`;

test('an SVG is never rendered, whatever its name and first bytes', async (t) => {
  const folder = await temporaryFolder(t);
  const xml = '<?xml version="1.0"?>\n';
  const starts = [
    '',
    '\ufeff',
    xml,
    `${xml}<!-- ${'x'.repeat(5000)} -->`,
    'GIF89a',
    'II*\0',
    'BM',
    'RIFFxxxxWEBP',
  ];
  for (const [i, start] of starts.entries())
    await writeFile(path.join(folder, `${i}.png`), start + ENDLESS);
  // Longer than what is read whole, so that the decoder would open it by its name.
  await writeFile(path.join(folder, 'long.jpg'), `${ENDLESS}<!-- ${'x'.repeat(1 << 17)} -->`);
  await writeFile(path.join(folder, 'packed.png'), gzipSync(ENDLESS));
  await writeFile(path.join(folder, 'utf-16.png'), Buffer.from(`\ufeff${ENDLESS}`, 'utf16le'));
  await flat(5).png().toFile(path.join(folder, 'real.png'));
  const { count, skipped } = await opened(t, folder);
  t.is(count, 1);
  t.is(skipped.length, starts.length + 3);
  t.regex(skipped[0]!.reason, /^it is an SVG drawing, which is not rendered here/);
  t.regex(skipped.find((s) => s.path.endsWith('long.jpg'))!.reason, /an SVG drawing/);
});

test('a file that is not a picture is reported with its kind and a remedy', async (t) => {
  const folder = await temporaryFolder(t);
  const files: [string, Buffer | string, RegExp][] = [
    ['a.jpg', await readFile(fixture('photo.heic')), /HEIC.*not supported.*convert it to JPEG/],
    ['b.heic', await readFile(fixture('photo.heic')), /HEIC.*not supported.*convert it to JPEG/],
    ['c.png', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n', /Git LFS/],
    ['d.jpg', '<!DOCTYPE html><html>404</html>', /an HTML page/],
    ['e.png', 'no picture', /^it is text$/],
    ['f.png', Buffer.from(zipSync({ a: strToU8('x') })), /a zip archive; unpack it/],
    ['g.png', Buffer.from([1, 2, 3, 4]), /not a supported picture: JPEG, PNG/],
  ];
  for (const [name, file] of files) await writeFile(path.join(folder, name), file);
  await flat(5).png().toFile(path.join(folder, 'real.png'));
  const { skipped } = await opened(t, folder);
  t.is(skipped.length, files.length);
  for (const [i, [name, , reason]] of files.entries()) t.regex(skipped[i]!.reason, reason, name);
});

test('a picture is read by its content, whatever its extension', async (t) => {
  const folder = await temporaryFolder(t);
  await writeFile(path.join(folder, 'a.heic'), await flat(20).png().toBuffer());
  await writeFile(path.join(folder, 'b.png'), await flat(20).tiff().toBuffer());
  const dataset = await opened(t, folder);
  t.deepEqual(dataset.skipped, []);
  t.deepEqual([...new Set(await pixels(dataset))], [20]);
});

/** Other systems keep names as Unicode. */
const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('names that are not UTF-8 are read, of files and folders', async (t) => {
  const folder = await temporaryFolder(t);
  const within = (name: string) =>
    Buffer.concat([Buffer.from(`${folder}/`), Buffer.from(name, 'latin1')]);
  await mkdir(within('caf\xe9'));
  await writeFile(within('caf\xe9/na\xefve.png'), await flat(10).png().toBuffer());
  // A JPEG larger than what is read whole, which is shrunk while it loads: by its name.
  const noise = Uint8Array.from({ length: 400 * 400 * 3 }, (_, i) => (i * i * 31) % 251);
  const jpeg = await from(noise, 400, 400).jpeg({ quality: 95 }).toBuffer();
  t.true(jpeg.length > 1 << 16);
  await writeFile(within('z\xe9.jpg'), jpeg);
  await writeFile(within('zz.jpg'), jpeg);
  await writeFile(within('\xff.png'), 'no picture');
  const dataset = await opened(t, folder);
  t.is(dataset.count, 3);
  t.deepEqual(dataset.skipped, [{ path: path.join(folder, '\\xff.png'), reason: 'it is text' }]);
  const [first, second, third] = [0, 1, 2].map((i) => pixels(dataset, [i]));
  t.deepEqual([...new Set(await first!)], [10]);
  t.deepEqual(await second, await third);
  const inner = await opened(t, path.join(folder, 'caf\ufffd'));
  t.is(inner.count, 1);
  const streamed = await opened(t, folder, { budgetBytes: 1 });
  t.deepEqual(await pixels(streamed), await pixels(dataset));
});

test("a run within the folder is skipped and named, and so are a run's files in the folder itself", async (t) => {
  const folder = await temporaryFolder(t);
  await flat(10).png().toFile(path.join(folder, 'a.png'));
  const run = async (dir: string) => {
    await mkdir(path.join(dir, 'checkpoints/step-1'), { recursive: true });
    await mkdir(path.join(dir, 'samples'), { recursive: true });
    await writeFile(path.join(dir, 'config.json'), '{}');
    for (const name of ['loss.png', 'samples/step-1.png'])
      await flat(99).png().toFile(path.join(dir, name));
  };
  await run(path.join(folder, 'runs/1'));
  const nested = await openSource(folder, 0);
  t.is(nested.count, 1);
  t.deepEqual(nested.leftOut, [{ path: path.join(folder, 'runs/1'), reason: 'it holds a run' }]);
  await run(folder);
  const itself = await openSource(folder, 0);
  t.is(itself.count, 1);
  t.deepEqual(
    itself.leftOut.map((left) => path.relative(folder, left.path)),
    ['checkpoints', 'loss.png', 'samples', 'runs/1'],
  );
  // Its samples by their own name are images like any others.
  t.is((await openSource(path.join(folder, 'samples'), 0)).count, 1);
  await refused(
    t,
    path.join(folder, 'runs'),
    /no images except in .*runs\/1, which is left out: it holds a run/,
  );
  // A configuration beside photographs makes no run.
  const other = await temporaryFolder(t);
  await writeFile(path.join(other, 'config.json'), '{}');
  await mkdir(path.join(other, 'samples'));
  await flat(1).png().toFile(path.join(other, 'samples/a.png'));
  t.is((await openSource(other, 0)).count, 1);
});

test("the fingerprint depends on names and sizes, not on the folder's path", async (t) => {
  const [one, two] = [await temporaryFolder(t), await temporaryFolder(t)];
  for (const folder of [one, two])
    for (const name of ['a', 'b']) await writeFile(path.join(folder, `${name}.png`), 'x');
  const of = async (folder: string) => (await openSource(folder, 0)).fingerprint();
  const before = await of(one);
  t.is(await of(two), before);
  await writeFile(path.join(two, 'b.png'), 'xx');
  const larger = await of(two);
  t.not(larger, before);
  await rename(path.join(one, 'b.png'), path.join(one, 'c.png'));
  t.not(await of(one), before);
  const cars = async (seed: number) => (await openSource('toy-cars', seed)).fingerprint();
  t.is(await cars(1), await cars(1));
  t.not(await cars(1), await cars(2));
});

test('an archive or a picture in place of a folder is reported with a remedy', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name: string) => path.join(folder, name);
  await writeFile(at('photos.zip'), zipSync({ 'a.png': strToU8('x') }));
  await refused(t, at('photos.zip'), /but a zip archive; unpack it first; expected a folder/);
  await refused(t, folder, /no images, but an archive, .*photos\.zip; unpack it first/);
  const tar = Buffer.alloc(1024);
  tar.write('ustar', 257);
  await writeFile(at('photos.tar'), tar);
  await refused(t, at('photos.tar'), /but a tar archive; unpack it first/);
  await writeFile(at('photos.tar.gz'), gzipSync(tar));
  await refused(
    t,
    at('photos.tar.gz'),
    /gzip, but no IDX file inside: it is a tar archive; unpack it/,
  );
  await flat(1).png().toFile(at('one.png'));
  await refused(t, at('one.png'), /but a PNG picture; give the folder that it is in/);
});

test('a pipe with the name of a picture is skipped without waiting', async (t) => {
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

test('a folder linked under several names has the first of them, whatever the order on disk', async (t) => {
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

test('decoding can be aborted', async (t) => {
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

test('a folder without a readable image is refused with the reason', async (t) => {
  const folder = await temporaryFolder(t);
  await refused(t, folder, /the folder is empty; expected .jpg/);
  await writeFile(path.join(folder, 'notes.txt'), 'x');
  await refused(t, folder, /no images; expected .jpg.*found notes.txt/);
  await writeFile(path.join(folder, 'more.txt'), 'x');
  await refused(t, folder, /no images; .*found 2 files such as (notes|more)\.txt/);
  await writeFile(path.join(folder, 'train-images-idx3-ubyte'), 'x');
  await refused(t, folder, /give its path: .*train-images-idx3-ubyte/);
  const other = await temporaryFolder(t);
  await writeFile(path.join(other, 'train.bin'), 'x');
  await refused(t, other, /give its path: .*train\.bin/);
  await writeFile(path.join(folder, 'a.png'), 'x');
  await writeFile(path.join(folder, 'b.png'), '');
  await refused(t, folder, /none of its images can be read \(2\); .*a.png: /);
});

test('a missing path is refused with what is expected, or with a suggestion', async (t) => {
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

test('an abort ends the listing of a folder, also within folders', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(path.join(folder, 'a/b'), { recursive: true });
  await flat(20).png().toFile(path.join(folder, 'a/b/x.png'));
  let asked = 0;
  // Aborted only once the inner folder is listed.
  const signal = {
    get aborted() {
      return ++asked > 2;
    },
  } as AbortSignal;
  await t.throwsAsync(openSource(folder, 0, signal), { instanceOf: Interrupted });
  t.is(asked, 3);
});
