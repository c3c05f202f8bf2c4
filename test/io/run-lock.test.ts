import { mkdir, symlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { asOnlyTrainer, tryLockRun } from '../../src/io/run-lock.js';
import { temporaryFolder } from '../helpers/folder.js';

test('a run is locked under every name of its folder, even before it exists', async (t) => {
  const folder = await temporaryFolder(t);
  const run = join(folder, 'runs', '1');
  await symlink(folder, join(folder, 'link'));
  await asOnlyTrainer(run, async () => {
    const second = asOnlyTrainer(join(folder, 'link', 'runs', '1'), async () => t.fail());
    await t.throwsAsync(second, {
      instanceOf: UsageError,
      message: `--out ${join(folder, 'link', 'runs', '1')}: expected a run that nobody is training, got one that process ${process.pid} is training`,
    });
    await mkdir(run, { recursive: true });
    t.is(await tryLockRun(relative(process.cwd(), run)), undefined);
    const other = await tryLockRun(join(folder, 'runs', '2'));
    t.truthy(other);
    other!.release();
  });
  const again = await tryLockRun(run);
  t.truthy(again);
  again!.release();
});
