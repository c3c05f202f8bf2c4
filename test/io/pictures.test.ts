import { spawnSync } from 'node:child_process';
import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { RunError, ShapeError, UsageError } from '../../src/errors.js';
import type { Picture } from '../../src/io/grid.js';
import { checkOutputPath } from '../../src/io/output-path.js';
import { writeAnimation, writePicture } from '../../src/io/pictures.js';
import { temporaryFolder } from '../helpers/folder.js';

/** A picture whose bytes are all different (up to 256). */
const picture = (height: number, width: number, channels: 1 | 3, from = 0): Picture => ({
  data: Uint8Array.from({ length: height * width * channels }, (_, i) => from + i),
  count: 1,
  height,
  width,
  channels,
});

for (const extension of ['.png', '.webp'])
  for (const channels of [1, 3] as const)
    test(`a ${extension} of ${channels} channel(s) keeps every pixel`, async (t) => {
      const dir = await temporaryFolder(t);
      const path = join(dir, `a${extension}`);
      const image = picture(4, 6, channels);
      await writePicture(path, image);
      const colours = channels === 1 ? 'b-w' : 'srgb';
      const { data, info } = await sharp(path)
        .toColourspace(colours)
        .raw()
        .toBuffer({ resolveWithObject: true });
      t.deepEqual([info.height, info.width, info.channels], [4, 6, channels]);
      t.deepEqual([...data], [...image.data]);
      t.deepEqual(await readdir(dir), [`a${extension}`]);
    });

for (const extension of ['.gif', '.webp'])
  test(`an animated ${extension} has every frame and its delays, and loops forever`, async (t) => {
    const path = join(await temporaryFolder(t), `a${extension}`);
    const frames = [0, 80, 160].map((from) => picture(2, 4, 3, from));
    await writeAnimation(path, frames, { delay: 50, hold: 900 });
    const { pages, delay, loop, width, height } = await sharp(path).metadata();
    t.deepEqual(
      { pages, delay, loop, width, height },
      { pages: 3, delay: [50, 50, 900], loop: 0, width: 4, height: 2 },
    );
    for (const [page, frame] of frames.entries()) {
      const data = await sharp(path, { page }).removeAlpha().raw().toBuffer();
      t.deepEqual([...data], [...frame.data], `frame ${page}`);
    }
  });

test('frames of different sizes, and no frames, are refused', async (t) => {
  const path = join(await temporaryFolder(t), 'a.gif');
  await t.throwsAsync(writeAnimation(path, []), { instanceOf: ShapeError });
  await t.throwsAsync(writeAnimation(path, [picture(2, 4, 3), picture(4, 2, 3)]), {
    instanceOf: ShapeError,
    message: 'writeAnimation: a frame is 4x2x3, the first 2x4x3',
  });
});

test('a picture that cannot be written is a RunError, and nothing is left', async (t) => {
  const dir = await temporaryFolder(t);
  await t.throwsAsync(writePicture(join(dir, 'none', 'a.png'), picture(2, 2, 1)), {
    instanceOf: RunError,
    message: /cannot write .*a\.png: no such file or folder \(ENOENT\)/,
  });
  await t.throwsAsync(writePicture(join(dir, 'a.webp'), picture(1, 20_000, 1)), {
    instanceOf: RunError,
    message: /cannot write .*a\.webp: .*too large/,
  });
  t.deepEqual(await readdir(dir), []);
});

test('an output without a folder, with another extension, or in place of a folder is refused before any work', async (t) => {
  const dir = await temporaryFolder(t);
  await writeFile(join(dir, 'file'), '');
  const check = (path: string) => checkOutputPath('--out', path, ['.png', '.webp', '.gif']);
  await check(join(dir, 'grid.PNG'));
  const cases: [string, RegExp][] = [
    [
      join(dir, 'grid.jpg'),
      /--out: expected a name ending in \.png, \.webp or \.gif, got .*grid\.jpg/,
    ],
    [join(dir, 'grid'), /expected a name ending in/],
    [join(dir, 'none', 'grid.png'), /--out: expected a file in an existing folder, got/],
    [join(dir, 'file', 'grid.png'), /--out: expected a file in an existing folder, got/],
  ];
  for (const [path, message] of cases)
    await t.throwsAsync(check(path), { instanceOf: UsageError, message });
});

const unlessWindows = process.platform === 'win32' ? test.skip : test;

unlessWindows('an output in a folder that takes no files is refused before any work', async (t) => {
  const dir = await temporaryFolder(t);
  await chmod(dir, 0o555);
  const module = new URL('../../src/io/output-path.js', import.meta.url).href;
  const path = join(dir, 'a.png');
  const script = `
    const { checkOutputPath } = await import(${JSON.stringify(module)});
    await checkOutputPath('--out', ${JSON.stringify(path)}, ['.png']).catch(({ name, message }) =>
      console.log(name, message));`;
  // A superuser may write anywhere: the check runs as someone else.
  const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const args = ['--input-type=module', '--eval', script];
  const { stdout } = spawnSync(process.execPath, args, { ...user, encoding: 'utf8' });
  t.is(stdout, `RunError cannot write ${path}: permission denied (EACCES)\n`);
});
