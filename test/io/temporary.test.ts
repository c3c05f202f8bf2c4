import { readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import test from 'ava';
import { writeFileAtomically } from '../../src/io/atomic.js';
import { baseOfTemporary, temporaryPath } from '../../src/io/temporary.js';
import { temporaryFolder } from '../helpers/folder.js';

test('a temporary name is hidden, beside its file, unique, and recognisable', (t) => {
  const path = join('runs', '1', 'config.json');
  const names = [temporaryPath(path), temporaryPath(path)];
  t.not(names[0], names[1]);
  for (const name of names) {
    t.is(dirname(name), dirname(path));
    t.regex(basename(name), /^\.config\.json\.[0-9a-f]{8}\.tmp$/);
    t.is(baseOfTemporary(basename(name)), 'config.json');
  }
  t.is(baseOfTemporary(basename(temporaryPath('7.png', '2-of-4'))), '7.png.2-of-4');
});

test('names of another form belong to no file', (t) => {
  for (const name of ['a', '.a.tmp', '.a.1234567.tmp', '.a.123456789.tmp', 'a.12345678.tmp'])
    t.is(baseOfTemporary(name), undefined, name);
  for (const name of ['.12345678.tmp', '..12345678.tmp', '.a.1234567g.tmp', '.a.12345678.old'])
    t.is(baseOfTemporary(name), undefined, name);
});

test('a temporary name is no longer than a long file name', (t) => {
  for (const base of ['a'.repeat(255), 'ä'.repeat(127), '🚗'.repeat(63), `${'x'.repeat(100)}.png`])
    for (const owner of [undefined, '2-of-4']) {
      const name = basename(temporaryPath(join('out', base), owner));
      t.true(Buffer.byteLength(name) <= Buffer.byteLength(base), name);
      t.false(name.includes('\ufffd'));
      t.is(name, Buffer.from(name).toString());
      t.not(baseOfTemporary(name), undefined);
    }
});

test('a file with the longest possible name can be written', async (t) => {
  const folder = await temporaryFolder(t);
  const name = `${'n'.repeat(251)}.png`;
  await writeFile(join(folder, name), 'old');
  await writeFileAtomically(join(folder, name), 'new');
  t.deepEqual(await readdir(folder), [name]);
});
