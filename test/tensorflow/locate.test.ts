import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { UsageError } from '../../src/errors.js';
import { cacheFolder } from '../../src/io/cache-folder.js';
import { findInstall, requireInstall } from '../../src/tensorflow/locate.js';
import { findPackage, officialBinding, packageCache } from '../../src/tensorflow/package.js';
import { bindingFile, installFolder, manifestFile } from '../../src/tensorflow/setup/folders.js';
import { type Bundle, CPU, CUDA } from '../../src/tensorflow/setup/wheels.js';
import { temporaryFolder } from '../helpers/folder.js';

/** A finished set-up, as far as looking goes. */
async function pretend(cache: string, bundle: Bundle): Promise<string> {
  const folder = installFolder(cache, bundle);
  await mkdir(path.dirname(bindingFile(folder)), { recursive: true });
  await writeFile(bindingFile(folder), '');
  await writeFile(manifestFile(folder), '{}');
  return folder;
}

async function emptyCache(t: ExecutionContext): Promise<{ cache: string; env: NodeJS.ProcessEnv }> {
  const cache = await temporaryFolder(t);
  return { cache, env: { HAZE_CACHE: cache } };
}

test('the cache is HAZE_CACHE, else in the XDG cache, else in the home folder', (t) => {
  t.is(cacheFolder({ HAZE_CACHE: '/c', XDG_CACHE_HOME: '/x' }), '/c');
  t.is(cacheFolder({ XDG_CACHE_HOME: '/x' }), '/x/haze');
  t.regex(cacheFolder({}), /\/\.cache\/haze$/);
  t.regex(cacheFolder({ XDG_CACHE_HOME: 'relative' }), /\/\.cache\/haze$/);
});

test('without a set-up, the message has the command', async (t) => {
  const { env } = await emptyCache(t);
  t.is(findInstall(env), undefined);
  const error = t.throws(() => requireInstall(env), { instanceOf: UsageError });
  t.regex(error.message, /haze setup tensorflow/);
});

test('a set-up for CUDA is preferred to one for the CPU', async (t) => {
  const { cache, env } = await emptyCache(t);
  const cpu = await pretend(cache, CPU);
  t.like(findInstall(env), { origin: 'cpu', folder: cpu, binding: bindingFile(cpu) });
  const cuda = await pretend(cache, CUDA);
  t.like(findInstall(env), { origin: 'cuda', folder: cuda });
});

test('a set-up without a manifest is unfinished', async (t) => {
  const { cache, env } = await emptyCache(t);
  const folder = await pretend(cache, CPU);
  await rm(manifestFile(folder));
  t.is(findInstall(env), undefined);
});

test('each wheel has its own set-up folder', (t) => {
  const other = { ...CPU, tensorflow: { ...CPU.tensorflow, sha256: 'f'.repeat(64) } };
  t.not(installFolder('/c', other), installFolder('/c', CPU));
  const [first, ...rest] = CUDA.nvidia;
  const newer = { ...CUDA, nvidia: [{ ...first!, sha256: 'f'.repeat(64) }, ...rest] };
  t.not(installFolder('/c', newer), installFolder('/c', CUDA));
});

test('the npm package is found in the cache if the project does not have it', async (t) => {
  const cache = await temporaryFolder(t);
  const nowhere = path.join(cache, 'elsewhere', 'a.js');
  t.is(findPackage(cache, nowhere), undefined);
  const folder = path.join(packageCache(cache), 'node_modules', '@tensorflow', 'tfjs-node-gpu');
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'package.json'), '{}');
  t.is(findPackage(cache, nowhere), folder);
});

test("the package's own binary is recognised", async (t) => {
  const folder = await temporaryFolder(t);
  t.is(officialBinding(folder), undefined);
  const file = path.join(folder, 'lib', 'napi-v8', 'tfjs_binding.node');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, '');
  t.is(officialBinding(folder), file);
});

test('every pinned wheel has a full hash, and its version in its name', (t) => {
  for (const { file, version, sha256, bytes, unpacked } of [
    CPU.tensorflow,
    CUDA.tensorflow,
    ...CUDA.nvidia,
  ]) {
    t.regex(sha256, /^[0-9a-f]{64}$/);
    t.true(file.includes(`-${version}-`), file);
    t.true(unpacked > bytes, file);
  }
});
