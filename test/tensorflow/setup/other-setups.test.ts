import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import type { Install } from '../../../src/tensorflow/locate.js';
import { otherSetups } from '../../../src/tensorflow/setup/other-setups.js';
import { temporaryFolder } from '../../helpers/folder.js';

test('set-ups of other versions are those of the same kind that are complete', async (t) => {
  const root = await temporaryFolder(t);
  const put = async (name: string, manifest?: object) => {
    const folder = path.join(root, name);
    await mkdir(folder);
    if (manifest) await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
    return folder;
  };
  const [older, folder, newer] = [
    await put('cpu-2.20.0-0123456789abcdef', { kind: 'cpu' }),
    await put('cpu-2.21.0-0123456789abcdef-2', { kind: 'cpu' }),
    await put('cpu-2.21.0-0123456789abcdef-3', { kind: 'cpu' }),
  ];
  await put('cuda-2.21.0-0123456789abcdef', { kind: 'cuda' });
  await put('.building-1');
  await writeFile(path.join(root, 'cpu'), 'no folder');
  const install: Install = { origin: 'cpu', folder, binding: '', packageFolder: '' };
  t.deepEqual(await otherSetups(install), [older, newer]);
});
