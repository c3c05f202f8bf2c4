import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { BROWSER_CONDITIONS } from '../../helpers/browser-conditions.js';
import { build, predicted } from '../../helpers/predicted.js';

const SCRIPT = fileURLToPath(new URL('../../helpers/browser-host.js', import.meta.url));

test("with the browser's host a network predicts the same bits, by one worker without shared memory", async (t) => {
  const args = [...BROWSER_CONDITIONS, SCRIPT];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 });
  const told = JSON.parse(stdout) as { build: string; alone: unknown; several: string };
  t.is(told.build, await build());
  t.deepEqual(told.alone, await predicted(2));
  t.regex(told.several, /^2 workers: the page is not cross-origin isolated/);
});
