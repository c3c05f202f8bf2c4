import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { UsageError } from '../../../src/errors.js';
import { describeTensorflow } from '../../../src/tensorflow/describe.js';
import { requireInstall } from '../../../src/tensorflow/locate.js';
import { bindingFile, installFolder, manifestFile } from '../../../src/tensorflow/setup/folders.js';
import { setupTensorflow } from '../../../src/tensorflow/setup/index.js';
import { dangerOf, refuseUnsafe } from '../../../src/tensorflow/setup/safe-cache.js';
import { CPU } from '../../../src/tensorflow/setup/wheels.js';
import { fixturePath, haze } from '../../helpers/cli.js';
import { temporaryFolder } from '../../helpers/folder.js';
import { fakeMachine, filesBelow, PROGRAMS } from '../../helpers/setup.js';

/** A cache with a binding in it, readable by all and writable by its owner. */
async function cacheWithBinding(t: ExecutionContext): Promise<{ cache: string; binding: string }> {
  const cache = path.join(await temporaryFolder(t), 'cache');
  const folder = installFolder(cache, CPU);
  const binding = bindingFile(folder);
  await mkdir(path.dirname(binding), { recursive: true });
  await writeFile(binding, '');
  await writeFile(manifestFile(folder), '{}');
  for (const at of wayTo(cache, binding)) await chmod(at, 0o755);
  return { cache, binding };
}

/** The cache folder and all below it on the way to a file. */
const wayTo = (cache: string, file: string): string[] =>
  file === cache ? [cache] : [...wayTo(cache, path.dirname(file)), file];

test('a cache that only its owner can write to is safe, and so is a missing one', async (t) => {
  const { cache, binding } = await cacheWithBinding(t);
  t.is(dangerOf(cache, binding), undefined);
  t.is(dangerOf(path.join(cache, 'none'), path.join(cache, 'none', 'a')), undefined);
  t.is(dangerOf(cache, '/elsewhere/a.node'), undefined);
});

test('a folder or file that others may write to is refused anywhere along the path', async (t) => {
  const { cache, binding } = await cacheWithBinding(t);
  for (const at of wayTo(cache, binding))
    for (const mode of [0o775, 0o757, 0o1777]) {
      await chmod(at, mode);
      const message = new RegExp(
        `^tensorflow: others may write to ${at} \\(mode ${mode.toString(8)}\\), .*chmod -R go-w ${cache}$`,
      );
      t.throws(() => refuseUnsafe(cache, binding), { instanceOf: UsageError, message });
      await chmod(at, 0o755);
    }
  t.notThrows(() => refuseUnsafe(cache, binding));
});

test('files below a folder that others cannot enter are safe', async (t) => {
  const { cache, binding } = await cacheWithBinding(t);
  await chmod(path.dirname(binding), 0o777);
  t.truthy(dangerOf(cache, binding));
  await chmod(cache, 0o700);
  t.is(dangerOf(cache, binding), undefined);
});

test("another user's cache is refused", async (t) => {
  const { cache, binding } = await cacheWithBinding(t);
  const own = process.getuid!();
  // Root may give a folder away, another user only be taken for someone else.
  if (own === 0) await chown(path.dirname(binding), 12345, 12345);
  const danger = own === 0 ? dangerOf(cache, binding) : dangerOf(cache, binding, own + 1);
  t.regex(danger!.what, /belongs to another user \(\d+, and you are \d+\)$/);
  t.regex(danger!.fix, /HAZE_CACHE/);
});

test('neither commands nor doctor load anything from an unsafe cache', async (t) => {
  const { cache, binding } = await cacheWithBinding(t);
  const env = { HAZE_CACHE: cache };
  t.is(requireInstall(env).binding, binding);
  await chmod(path.dirname(binding), 0o777);
  t.throws(() => requireInstall(env), { instanceOf: UsageError, message: /others may write to/ });
  const folder = await temporaryFolder(t);
  const fixture = fixturePath('unet_l2_8.safetensors');
  const parity = await haze(folder, ['parity', fixture, '--device', 'tensorflow'], env);
  t.is(parity.code, 2);
  t.regex(parity.stderr, /^haze: tensorflow: others may write to .*chmod -R go-w/);
  const { what, fix } = (await describeTensorflow(env)).gaps[0]!;
  t.regex(`${what}; ${fix}`, /others may write to .*; check its contents, then run chmod/);
  const doctor = await haze(folder, ['doctor'], env);
  t.regex(doctor.stdout, /TensorFlow +others may write to .*\n +→ check its contents/);
});

test('set-up refuses an unsafe cache before it runs a program', async (t) => {
  const ran = `echo ran >> "$HAZE_CACHE/ran"`;
  const programs = { python3: ran, 'g++': ran };
  const machine = await fakeMachine(await temporaryFolder(t), programs);
  const { cache, env, bundle } = machine;
  await mkdir(cache);
  await chmod(cache, 0o777);
  await t.throwsAsync(setupTensorflow({ env, bundle }), {
    instanceOf: UsageError,
    message: /others may write to .*cache \(mode 777\)/,
  });
  t.deepEqual(await filesBelow(cache), []);
});

test('set-up creates the cache for its user alone', async (t) => {
  const machine = await fakeMachine(await temporaryFolder(t), { 'g++': PROGRAMS.compilerFails });
  const { cache, env, bundle } = machine;
  const before = process.umask(0);
  try {
    await t.throwsAsync(setupTensorflow({ env, bundle }));
  } finally {
    process.umask(before);
  }
  t.is(dangerOf(cache, path.join(cache, 'tensorflow')), undefined);
});
