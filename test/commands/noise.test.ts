import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import sharp from 'sharp';
import { haze, refuses } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { tiff } from '../helpers/tiff.js';

/** Columns of squares of 32 pixels drawn at three times their size, two pixels apart. */
const SIDE = 96;

/** Mean distance from the square's own first pixel colour: 0 for a plain picture. */
async function roughness(path: string, square: number): Promise<number> {
  const region = { left: 2 + square * (SIDE + 2), top: 2, width: SIDE, height: SIDE };
  const { channels } = await sharp(await sharp(path).extract(region).toBuffer()).stats();
  return channels.reduce((sum, { stdev }) => sum + stdev, 0) / channels.length;
}

test('a strip shows an image turning into noise at evenly spaced timesteps', async (t) => {
  const folder = await temporaryFolder(t);
  const plain = { create: { width: 50, height: 40, channels: 3, background: '#336699' } } as const;
  await sharp(plain).png().toFile(join(folder, 'plain.png'));
  const { code, stdout } = await haze(folder, [
    'noise',
    'plain.png',
    '--size',
    '32',
    '--out',
    'strip.png',
  ]);
  t.is(code, 0);
  t.is(stdout, 'strip.png: t = 0, 33, 66, 100, 133, 166, 199, 233, 266, 299\n');
  const strip = join(folder, 'strip.png');
  t.deepEqual(
    [(await sharp(strip).metadata()).width, (await sharp(strip).metadata()).height],
    [10 * 98 + 2, 100],
  );
  const all = await Promise.all(Array.from({ length: 10 }, (_, i) => roughness(strip, i)));
  t.true(all[0]! < 3, `t = 0 is nearly the image: ${all[0]}`);
  // The first squares, before clipping to bytes flattens the noise.
  for (let i = 1; i < 5; i++) t.true(all[i]! > all[i - 1]!, String(all));
  t.deepEqual((await readdir(folder)).sort(), ['plain.png', 'strip.png']);
});

test('the same seed draws the same noise, and another seed different noise', async (t) => {
  const folder = await temporaryFolder(t);
  const draw = async (name: string, ...flags: string[]) => {
    await haze(folder, [
      'noise',
      'toy-cars',
      '--size',
      '16',
      '--timesteps',
      '5',
      '--out',
      name,
      ...flags,
    ]);
    return readFile(join(folder, name));
  };
  const first = await draw('a.png');
  t.deepEqual(await draw('b.png', '--strict'), first);
  t.notDeepEqual(await draw('c.png', '--seed', '1'), first);
});

test('an input that is not a picture and an output without a picture format are refused', async (t) => {
  const folder = await temporaryFolder(t);
  const text = join(folder, 'text.png');
  await writeFile(text, 'no picture');
  await refuses(t, ['noise', text], /text\.png: expected a picture, got none: /);
  await refuses(t, ['noise', 'none.jpg'], /none\.jpg: expected a picture, got none: /);
  await refuses(
    t,
    ['noise', 'toy-cars', '--out', 'strip.bmp'],
    /--out: expected a name ending in \.png, .*, got strip\.bmp/,
  );
  await refuses(
    t,
    ['noise', 'toy-cars', '--out', 'none/strip.png'],
    /--out: expected a file in an existing folder/,
  );
  await refuses(t, ['noise', 'toy-cars', '--size', '0'], /--size: expected a whole number/);
  await refuses(t, ['noise'], /<image>: expected a picture file, or toy-cars .*, got nothing/);
});

test('a file that is not a picture is refused, and a pipe is refused without waiting', async (t) => {
  await refuses(t, ['noise', 'none.png'], /none\.png: expected a picture, got none: no such file/);
  const folder = await temporaryFolder(t);
  await refuses(t, ['noise', folder], /got none: it is a folder, a pipe or a device$/m);
  const text = join(folder, 'text.jpg');
  await writeFile(text, 'no picture');
  await refuses(t, ['noise', text], /got none: it is text$/m);
  if (process.platform === 'win32') return;
  const pipe = join(folder, 'pipe.png');
  await promisify(execFile)('mkfifo', [pipe]);
  await refuses(t, ['noise', pipe], /got none: it is a folder, a pipe or a device$/m);
});

test('a picture that may look wrong is drawn with a warning that says why', async (t) => {
  const folder = await temporaryFolder(t);
  const samples = Float32Array.from({ length: 64 }, (_, i) => 4 * i);
  await writeFile(
    join(folder, 'a.tif'),
    tiff({ width: 8, height: 8, photometric: 1, samples, format: 3 }),
  );
  const { code, stderr } = await haze(folder, ['noise', 'a.tif', '--size', '8']);
  t.is(code, 0, stderr);
  t.regex(stderr, /^warning: a\.tif: its floating-point samples range from 0 to 252/);
});
