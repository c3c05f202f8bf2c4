import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { claimRunFolder } from '../../src/commands/run-folder.js';
import { temporaryFolder } from '../helpers/folder.js';

/** The folder of a claim that is given up again. */
async function next(root: string): Promise<string> {
  const { out, lock } = await claimRunFolder(root);
  await lock.release();
  return out;
}

test('runs are numbered from 1, after the highest existing number', async (t) => {
  const root = join(await temporaryFolder(t), 'runs');
  t.is(await next(root), join(root, '1'));
  for (const name of ['1', '12', 'mine', '0x20', '9'.repeat(30)])
    await mkdir(join(root, name), { recursive: true });
  t.is(await next(root), join(root, '13'));
});

test('two runs that start at the same time get different folders', async (t) => {
  const root = join(await temporaryFolder(t), 'runs');
  const claims = await Promise.all([1, 2, 3].map(() => claimRunFolder(root)));
  t.deepEqual(
    claims.map(({ out }) => out).sort(),
    ['1', '2', '3'].map((name) => join(root, name)),
  );
  for (const { lock } of claims) await lock.release();
});
