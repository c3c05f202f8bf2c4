import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { build, predicted } from '../../helpers/predicted.js';

const SCRIPT = fileURLToPath(new URL('../../helpers/browser-host.js', import.meta.url));

test('with the host for browsers a network predicts the same bits, by one worker where memory cannot be shared', async (t) => {
  const flags = ['--experimental-wasm-relaxed-simd'];
  const relaxed = Number.parseInt(process.versions.node, 10) < 22 ? flags : [];
  const args = ['--conditions=browser', ...relaxed, SCRIPT];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 24 });
  const told = JSON.parse(stdout) as { build: string; alone: unknown; several: string };
  t.is(told.build, await build());
  t.deepEqual(told.alone, await predicted(2));
  t.regex(told.several, /^2 workers: the page is not cross-origin isolated/);
});
