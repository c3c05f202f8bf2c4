import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { makeFolders } from '../../src/io/make-folders.js';
import { temporaryFolder } from '../helpers/folder.js';

test('Missing folders are created, and the topmost of them is returned', async (t) => {
  const folder = await temporaryFolder(t);
  await mkdir(join(folder, 'a'));
  t.is(await makeFolders(join(folder, 'a', 'b', 'c')), join(folder, 'a', 'b'));
  t.true((await stat(join(folder, 'a', 'b', 'c'))).isDirectory());
  t.is(await makeFolders(join(folder, 'a', 'b', 'c')), undefined);
  t.is(await makeFolders(join(folder, 'a', 'b', 'd')), join(folder, 'a', 'b', 'd'));
});

test('Concurrent calls do not disturb each other', async (t) => {
  const path = join(await temporaryFolder(t), 'a', 'b', 'c', 'd');
  await Promise.all(Array.from({ length: 8 }, () => makeFolders(path)));
  t.true((await stat(path)).isDirectory());
});

test('A file in the way is an error', async (t) => {
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, '');
  await t.throwsAsync(makeFolders(file), { code: 'EEXIST' });
  await t.throwsAsync(makeFolders(join(file, 'a', 'b')), { code: 'ENOTDIR' });
});

(process.platform === 'linux' ? test : test.skip)(
  'Where nothing can be made, that is an error and no endless loop',
  async (t) => {
    await t.throwsAsync(makeFolders('/proc/haze/images'), { code: 'ENOENT' });
  },
);
