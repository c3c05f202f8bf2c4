import { spawnSync } from 'node:child_process';
import {
  appendFile,
  mkdir,
  realpath,
  rename,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { FollowedFile } from '../../src/watch/followed-file.js';
import { temporaryFolder } from '../helpers/folder.js';

async function followed(t: ExecutionContext, name = 'log') {
  const folder = await realpath(await temporaryFolder(t));
  const path = join(folder, name);
  const lines: string[] = [];
  const file = new FollowedFile(
    folder,
    path,
    (line) => lines.push(line),
    () => lines.push('again'),
  );
  return { folder, path, lines, file };
}

test('each line of a growing file is read once, and an incomplete one only when it is complete', async (t) => {
  const { path, lines, file } = await followed(t);
  await writeFile(path, 'one\ntw');
  t.like(await file.follow(), { read: 6, size: 6 });
  t.deepEqual(lines, ['one']);
  await appendFile(path, 'o\nthr');
  await file.follow();
  await appendFile(path, 'ee\n');
  await file.follow();
  await file.follow();
  t.deepEqual(lines, ['one', 'two', 'three']);
});

test('a truncated or replaced file is read again', async (t) => {
  const { folder, path, lines, file } = await followed(t);
  await writeFile(path, 'one\ntwo\n');
  await file.follow();
  await truncate(path, 4);
  await file.follow();
  t.deepEqual(lines, ['one', 'two', 'again', 'one']);
  await writeFile(join(folder, 'other'), 'one\nzwei\n');
  await rename(join(folder, 'other'), path);
  await file.follow();
  t.deepEqual(lines.slice(4), ['again', 'one', 'zwei']);
});

test('a file of many megabytes is read completely, in parts', async (t) => {
  const { path, lines, file } = await followed(t);
  const line = `${'x'.repeat(99)}\n`;
  await writeFile(path, line.repeat(200_000));
  let progress = await file.follow();
  while (progress.read < progress.size) progress = await file.follow();
  t.is(lines.length, 200_000);
  t.true(lines.every((text) => text.length === 99));
});

test('an endless line is not kept in memory, and the lines after it are read', async (t) => {
  const { path, lines, file } = await followed(t);
  await writeFile(path, `one\n${'x'.repeat(3 << 20)}\ntwo\n`);
  let progress = await file.follow();
  while (progress.read < progress.size) progress = await file.follow();
  t.is(lines[0], 'one');
  t.is(lines.at(-1), 'two');
});

test('links out of the folder, folders and pipes are refused', async (t) => {
  const { folder, path, file } = await followed(t);
  await t.throwsAsync(file.follow(), { code: 'ENOENT' });
  const outside = join(await temporaryFolder(t), 'secret');
  await writeFile(outside, 'secret\n');
  await symlink(outside, path);
  await t.throwsAsync(file.follow(), { message: /got a link out of it/ });
  const at = (name: string) => new FollowedFile(folder, join(folder, name), t.fail, t.fail);
  await mkdir(join(folder, 'sub'));
  await t.throwsAsync(at('sub').follow(), { message: /expected a file, got a folder/ });
  if (spawnSync('mkfifo', [join(folder, 'pipe')]).status === 0)
    await t.throwsAsync(at('pipe').follow(), { message: /expected a file, got a pipe/ });
});
