import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import { chooseDevice } from '../../src/device/choose.js';
import { CheckError, UsageError } from '../../src/errors.js';
import { bindingFile, installFolder, manifestFile } from '../../src/tensorflow/setup/folders.js';
import { CPU } from '../../src/tensorflow/setup/wheels.js';
import { temporaryFolder } from '../helpers/folder.js';

/** Nothing is set up. The cache is the process's, so these tests take turns. */
async function emptyCache(t: ExecutionContext): Promise<string> {
  const cache = await temporaryFolder(t);
  process.env.HAZE_CACHE = cache;
  return cache;
}

test.serial('wasm is used as requested, without looking for TensorFlow', async (t) => {
  await emptyCache(t);
  const chosen = await chooseDevice(COMPUTING_DEFAULTS, false);
  t.deepEqual(chosen, { device: 'wasm', why: '--device wasm' });
});

test.serial('without a set-up of TensorFlow, the error has the setup command', async (t) => {
  await emptyCache(t);
  for (const wish of [{ device: 'tensorflow' }, { arithmetic: 'tensorflow' }] as const) {
    const choosing = () => chooseDevice({ ...COMPUTING_DEFAULTS, ...wish }, false);
    const error = await t.throwsAsync(choosing, { instanceOf: UsageError });
    t.regex(error.message, /haze setup tensorflow/);
  }
});

test.serial('auto falls back to wasm and says why', async (t) => {
  const cache = await emptyCache(t);
  const auto = { ...COMPUTING_DEFAULTS, device: 'auto' } as const;
  t.like(await chooseDevice(auto, false), { device: 'wasm' });
  t.regex((await chooseDevice(auto, false)).why, /tensorflow is not set up/);
  const folder = installFolder(cache, CPU);
  await mkdir(path.dirname(bindingFile(folder)), { recursive: true });
  await writeFile(bindingFile(folder), '');
  await writeFile(manifestFile(folder), '{}');
  t.regex((await chooseDevice(auto, false)).why, /CPU build/);
});

test.serial('--require cuda without a usable GPU is a failed check', async (t) => {
  await emptyCache(t);
  for (const device of ['wasm', 'tensorflow', 'auto'] as const) {
    const choosing = () => chooseDevice({ ...COMPUTING_DEFAULTS, device }, true);
    const error = await t.throwsAsync(choosing, { instanceOf: CheckError });
    t.regex(error.message, /no usable GPU.*haze setup tensorflow/);
  }
});
