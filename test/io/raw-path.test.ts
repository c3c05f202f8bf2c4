import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'ava';
import { UsageError } from '../../src/errors.js';
import { joinRaw, nameText, resolveRaw } from '../../src/io/raw-path.js';
import { temporaryFolder } from '../helpers/folder.js';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

test('a UTF-8 name is text, and another is shown with its bytes', (t) => {
  t.is(nameText(Buffer.from('café ☃ 𝄞.png')), 'café ☃ 𝄞.png');
  t.is(nameText(latin1('café1.png')), 'caf\\xe91.png');
  t.is(nameText(Buffer.from([0xe2, 0x98])), '\\xe2\\x98');
  t.is(nameText(Buffer.concat([Buffer.from('☃'), latin1('é')])), '☃\\xe9');
  t.is(joinRaw('a', Buffer.from('é')), path.join('a', 'é'));
  t.deepEqual(joinRaw('a', latin1('é')), Buffer.from([0x61, 0x2f, 0xe9]));
  t.deepEqual(joinRaw(latin1('é'), Buffer.from('b')), Buffer.from([0xe9, 0x2f, 0x62]));
});

/** Other systems keep names as Unicode. */
const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('what an argument has lost of a name is found again on disk', async (t) => {
  const folder = await temporaryFolder(t);
  const inner = joinRaw(folder, latin1('café'));
  await mkdir(inner as Buffer);
  await writeFile(joinRaw(inner, latin1('naïve.png')) as Buffer, 'x');
  const given = path.join(folder, 'caf\ufffd', 'na\ufffdve.png');
  t.deepEqual(await resolveRaw(given), joinRaw(inner, latin1('naïve.png')));
  const missing = path.join(folder, 'caf\ufffd', 'no\ufffd');
  t.is(await resolveRaw(missing), missing);
  t.is(await resolveRaw(folder), folder);
  await mkdir(path.join(folder, 'really \ufffd'));
  t.is(await resolveRaw(path.join(folder, 'really \ufffd')), path.join(folder, 'really \ufffd'));
  await mkdir(joinRaw(folder, latin1('cafè')) as Buffer);
  await t.throwsAsync(resolveRaw(given), {
    instanceOf: UsageError,
    message: /expected one such name, got caf\\xe[89] and caf\\xe[89]; give their parent folder/,
  });
});
