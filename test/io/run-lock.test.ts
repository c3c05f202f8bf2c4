import { mkdir, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { lockRun, tryLockRun } from '../../src/io/run-lock.js';
import { temporaryFolder } from '../helpers/folder.js';

test('a run is locked by whatever name its folder is called, before it exists too', async (t) => {
  const folder = await temporaryFolder(t);
  const run = join(folder, 'runs', '1');
  await symlink(folder, join(folder, 'link'));
  const lock = await lockRun(run);
  await t.throwsAsync(lockRun(join(folder, 'link', 'runs', '1')), {
    instanceOf: UsageError,
    message: /^--out .*1: expected a run that nobody is training, got one/,
  });
  await mkdir(run, { recursive: true });
  t.is(await tryLockRun(relative(process.cwd(), run)), undefined);
  const other = await tryLockRun(join(folder, 'runs', '2'));
  t.truthy(other);
  await other!.release();
  await lock.release();
  await (await lockRun(run)).release();
});
