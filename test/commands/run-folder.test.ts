import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { nextRunFolder } from '../../src/commands/run-folder.js';
import { temporaryFolder } from '../helpers/folder.js';

test('runs are numbered from 1, past the highest there is', async (t) => {
  const root = join(await temporaryFolder(t), 'runs');
  t.is(await nextRunFolder(root), join(root, '1'));
  for (const name of ['1', '12', 'mine', '0x20', '9'.repeat(30)])
    await mkdir(join(root, name), { recursive: true });
  t.is(await nextRunFolder(root), join(root, '13'));
});
