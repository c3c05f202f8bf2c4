import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { strToU8, zipSync } from 'fflate';
import { extract } from '../../../src/tensorflow/setup/extract.js';
import { temporaryFolder } from '../../helpers/folder.js';
import { filesBelow } from '../../helpers/setup.js';

test('only the wanted entries are extracted, deflated or stored', async (t) => {
  const folder = await temporaryFolder(t);
  const wheel = path.join(folder, 'a.whl');
  const long = strToU8('so '.repeat(100_000));
  const files = { 'a/lib.so': long, 'a/stored.so': [long, { level: 0 }], 'a/b.py': long } as const;
  await writeFile(wheel, zipSync(files as unknown as Parameters<typeof zipSync>[0]));
  let bytes = 0;
  const names = await extract(
    wheel,
    (name) => name.endsWith('.so'),
    path.join(folder, 'out'),
    (n) => {
      bytes = n;
    },
  );
  t.deepEqual(names.sort(), ['a/lib.so', 'a/stored.so']);
  t.deepEqual(await filesBelow(path.join(folder, 'out')), names);
  t.deepEqual(new Uint8Array(await readFile(path.join(folder, 'out', 'a/lib.so'))), long);
  t.is(bytes, 2 * long.length);
});

test('an entry that would land outside the folder is refused', async (t) => {
  const folder = await temporaryFolder(t);
  const wheel = path.join(folder, 'a.whl');
  await writeFile(wheel, zipSync({ '../outside.so': strToU8('x') }));
  const taking = extract(
    wheel,
    () => true,
    path.join(folder, 'out'),
    () => {},
  );
  await t.throwsAsync(taking, { message: /invalid relative path/ });
  t.deepEqual(await filesBelow(folder), ['a.whl']);
});

test('a truncated wheel is an error', async (t) => {
  const folder = await temporaryFolder(t);
  const wheel = path.join(folder, 'a.whl');
  const whole = zipSync({ 'a.so': strToU8('x'.repeat(1000)) });
  await writeFile(wheel, whole.subarray(0, whole.length - 30));
  await t.throwsAsync(
    extract(
      wheel,
      () => true,
      path.join(folder, 'out'),
      () => {},
    ),
  );
});
