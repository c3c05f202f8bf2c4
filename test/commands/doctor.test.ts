import { spawnSync } from 'node:child_process';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { CLI, haze } from '../helpers/cli.js';
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

test('a cache that is a file, or under one, is a finding among the others', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'file');
  await writeFile(file, '');
  for (const cache of [file, join(file, 'a', 'b')]) {
    const env = { HAZE_CACHE: cache };
    const { code, stdout, stderr } = await haze('.', ['doctor'], env);
    t.is(code, 0, stderr);
    t.regex(stdout, /^✓ Node /m);
    t.regex(
      stdout,
      /^- Cache +.*file is not a folder\n +→ set HAZE_CACHE to a folder of your own$/m,
    );
    t.is((await haze('.', ['doctor', '--require', 'cuda'], env)).code, 3);
  }
});

if (process.platform !== 'win32')
  test('of a cache that cannot be written, only a folder of the user is to be changed', async (t) => {
    const own = await temporaryFolder(t);
    await chmod(own, 0o555);
    // A superuser may write anywhere: the command runs as someone else.
    const [uid, gid] = process.getuid!() === 0 ? [65_534, 65_534] : [];
    if (uid !== undefined && gid !== undefined) await chown(own, uid, gid);
    const fixOf = (folder: string) => {
      const env = { ...process.env, HAZE_CACHE: join(folder, 'cache') };
      const call = { uid, gid, env, encoding: 'utf8' } as const;
      const { stdout } = spawnSync(process.execPath, [CLI, 'doctor'], call);
      return /^- Cache +.*cannot be written\n +→ (.*)$/m.exec(stdout)?.[1];
    };
    const other = 'set HAZE_CACHE to a folder of your own';
    t.is(fixOf(own), `run chmod u+wx ${own}, or ${other}`);
    t.is(fixOf('/none'), other);
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
