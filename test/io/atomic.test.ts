import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { RunError } from '../../src/errors.js';
import {
  syncFolder,
  systemReason,
  writeAtomically,
  writeFileAtomically,
} from '../../src/io/atomic.js';
import { temporaryFolder } from '../helpers/folder.js';

test('a file replaces an existing one as a whole, and leaves nothing beside it', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'a');
  await writeFile(path, 'a longer text from before');
  await writeFileAtomically(path, 'new');
  t.is(await readFile(path, 'utf8'), 'new');
  t.deepEqual(await readdir(dir), ['a']);
});

test('readers see the old file until the last byte is written', async (t) => {
  const path = join(await temporaryFolder(t), 'a');
  await writeFile(path, 'old');
  await writeAtomically(path, async (file) => {
    await file.write('ne');
    t.is(await readFile(path, 'utf8'), 'old');
    await file.write('w');
  });
  t.is(await readFile(path, 'utf8'), 'new');
});

test('an error while writing is rethrown, the old file stays, and the temporary one is removed', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'a');
  await writeFile(path, 'old');
  const write = writeAtomically(path, async (file) => {
    await file.write('half');
    throw new RangeError('not a matter of files');
  });
  await t.throwsAsync(write, { instanceOf: RangeError });
  t.is(await readFile(path, 'utf8'), 'old');
  t.deepEqual(await readdir(dir), ['a']);
});

test('concurrent writers of a file leave the complete file of one of them', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'a');
  const texts = Array.from({ length: 20 }, (_, i) => String(i).repeat(10_000));
  await Promise.all(texts.map((text) => writeFileAtomically(path, text)));
  t.true(texts.includes(await readFile(path, 'utf8')));
  t.deepEqual(await readdir(dir), ['a']);
});

test('a folder in place of the file is kept, and gives a RunError with the reason', async (t) => {
  const dir = await temporaryFolder(t);
  const path = join(dir, 'a');
  await mkdir(join(path, 'inside'), { recursive: true });
  await t.throwsAsync(writeFileAtomically(path, 'new'), {
    instanceOf: RunError,
    message: `cannot write ${path}: it is a folder (EISDIR)`,
  });
  t.deepEqual(await readdir(dir), ['a']);
});

test('a system error is described with its code; other errors are not', (t) => {
  const error = (code: string) =>
    Object.assign(new Error(`${code}: x`), { code, syscall: 'write' });
  t.is(systemReason(error('ENOSPC')), 'the disk is full (ENOSPC)');
  t.is(systemReason(error('EACCES')), 'permission denied (EACCES)');
  t.is(systemReason(error('EWHATEVER')), 'EWHATEVER: x (EWHATEVER)');
  t.is(systemReason(new TypeError('x')), undefined);
  t.is(systemReason('x'), undefined);
});

/** A folder whose `sync` fails with a code, or not; counts what is done to it. */
function folders(platform: NodeJS.Platform, code?: string) {
  const done = { opened: 0, closed: 0 };
  const sync = async () => {
    if (code) throw Object.assign(new Error(code), { code, syscall: 'fsync' });
  };
  const open = async () => {
    done.opened++;
    return { fd: -1, close: async () => void done.closed++ };
  };
  return { done, system: { platform, open, sync } };
}

test('a folder is synced to disk if the system supports it, and is not opened on Windows', async (t) => {
  for (const code of [undefined, 'EINVAL', 'ENOTSUP', 'ENOSYS']) {
    const { done, system } = folders('darwin', code);
    await syncFolder('a', system);
    t.deepEqual(done, { opened: 1, closed: 1 }, code);
  }
  const { done, system } = folders('linux', 'EIO');
  await t.throwsAsync(syncFolder('a', system), { code: 'EIO' });
  t.deepEqual(done, { opened: 1, closed: 1 });
  const windows = folders('win32', 'EPERM');
  await syncFolder('a', windows.system);
  t.deepEqual(windows.done, { opened: 0, closed: 0 });
});
