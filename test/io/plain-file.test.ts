import { spawnSync } from 'node:child_process';
import { appendFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { hashFile, sha256 } from '../../src/io/hash.js';
import { openPlain, readLines, readSmallFile } from '../../src/io/plain-file.js';
import { temporaryFolder } from '../helpers/folder.js';

async function lines(path: string, longest = 100): Promise<string[]> {
  const read: string[] = [];
  for await (const line of readLines(path, longest)) read.push(line);
  return read;
}

test('anything but a plain file is refused by its kind, without waiting', async (t) => {
  const folder = await temporaryFolder(t);
  const cases: [string, string][] = [[folder, 'a folder']];
  if (process.platform !== 'win32') {
    const pipe = join(folder, 'pipe');
    spawnSync('mkfifo', [pipe]);
    cases.push([pipe, 'a pipe'], ['/dev/zero', 'a device']);
  }
  for (const [path, kind] of cases)
    for (const read of [openPlain, lines, hashFile, (path: string) => readSmallFile(path, 10)])
      await t.throwsAsync(read(path), {
        instanceOf: UsageError,
        message: `${path}: expected a file, got ${kind}`,
      });
});

test('a small file is read up to its limit, and refused beyond it', async (t) => {
  const path = join(await temporaryFolder(t), 'file');
  writeFileSync(path, 'grün');
  t.is(await readSmallFile(path, 5), 'grün');
  await t.throwsAsync(readSmallFile(path, 4), {
    instanceOf: UsageError,
    message: `${path}: expected a file of at most 4 bytes, got a longer one`,
  });
  // As large as no memory, and nothing on disk.
  truncateSync(path, 2 ** 40);
  await t.throwsAsync(readSmallFile(path, 4), { instanceOf: UsageError });
});

test('virtual files of the system, which report a size of 0, are read too', async (t) => {
  if (process.platform !== 'linux') return t.pass();
  t.regex(await readSmallFile('/proc/self/stat', 4096), /^\d+ /);
});

test('lines are read whole across reads, and lines without an end are refused', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'lines');
  const texts = Array.from({ length: 5000 }, (_, i) => `${i} ${'ä'.repeat(i % 40)}`);
  writeFileSync(path, `${texts.join('\n')}\n`);
  t.deepEqual(await lines(path), texts);
  appendFileSync(path, '\nlast');
  t.deepEqual((await lines(path)).slice(-2), ['', 'last']);
  const refusal = {
    instanceOf: UsageError,
    message: `${path}: expected lines of at most 100 bytes, got a longer one`,
  };
  writeFileSync(path, `x\n${'y'.repeat(101)}\nz\n`);
  await t.throwsAsync(lines(path), refusal);
  // A terabyte of zeros, which takes no room on disk.
  truncateSync(path, 0);
  truncateSync(path, 2 ** 40);
  await t.throwsAsync(lines(path), refusal);
  writeFileSync(path, '');
  t.deepEqual(await lines(path), []);
  t.is(await hashFile(path), sha256(new Uint8Array(0)));
});
