import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { downloadAll } from '../../src/browser/download.js';
import { RunError } from '../../src/errors.js';
import { temporaryFolder } from '../helpers/folder.js';
import { serve } from '../helpers/serve.js';

test('several files arrive whole, and progress tells their sum', async (t) => {
  const folder = await temporaryFolder(t);
  const sizes = [3_000_000, 5];
  for (const [i, size] of sizes.entries())
    await writeFile(join(folder, String(i)), new Uint8Array(size).fill(i + 1));
  const { url } = await serve(t, folder);
  const told: (readonly [number, number])[] = [];
  const urls = [new URL('0', url), null, new URL('1', url)];
  const [first, none, last] = await downloadAll(urls, (done, total) => told.push([done, total]));
  t.deepEqual([first!.length, none, last!.length], [sizes[0], undefined, sizes[1]]);
  t.true(first!.every((byte) => byte === 1) && last!.every((byte) => byte === 2));
  t.deepEqual(told.at(-1), [3_000_005, 3_000_005]);
  t.true(told.every(([done], i) => i === 0 || done > told[i - 1]![0]));
  const missing = downloadAll([urls[0]!, new URL('2', url)], () => {});
  await t.throwsAsync(missing, { instanceOf: RunError, message: /2: .* the server says 404$/ });
});
