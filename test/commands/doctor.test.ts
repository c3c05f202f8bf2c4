import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

test('doctor reports each requirement of the wasm device in a line', async (t) => {
  const { code, stdout } = await haze('.', ['doctor']);
  t.is(code, 0);
  for (const what of [
    'Node',
    'Processor',
    'Memory',
    'Kernels',
    'Shared memory',
    'Pictures',
    'TensorFlow',
    'ONNX Runtime',
    'Cache',
  ])
    t.regex(stdout, new RegExp(`^[✓✗-] ${what} `, 'm'));
});

test('with --json, stdout is only JSON, with a verdict for each finding', async (t) => {
  const { stdout } = await haze('.', ['doctor', '--json']);
  const { ok, findings } = JSON.parse(stdout);
  t.true(ok);
  t.true(findings.length > 5);
  for (const { state, found } of findings) {
    t.true(['good', 'optional', 'missing'].includes(state));
    t.true(found.length > 0);
  }
});

test('HAZE_CACHE sets the cache', async (t) => {
  const folder = join(await temporaryFolder(t), 'cache');
  const { stdout } = await haze('.', ['doctor'], { HAZE_CACHE: folder });
  t.true(stdout.includes(folder));
});

if (process.platform !== 'win32')
  test('a cache that others may write to is reported as bad, since set-up refuses it', async (t) => {
    const folder = join(await temporaryFolder(t), 'cache');
    await mkdir(folder);
    await chmod(folder, 0o777);
    const { stdout } = await haze('.', ['doctor'], { HAZE_CACHE: folder });
    t.regex(
      stdout,
      /^- Cache +others may write to .*cache \(mode 777\)\n +→ check its contents, then run chmod -R go-w /m,
    );
    await chmod(folder, 0o755);
    t.regex((await haze('.', ['doctor'], { HAZE_CACHE: folder })).stdout, /^✓ Cache +.*cache$/m);
  });
