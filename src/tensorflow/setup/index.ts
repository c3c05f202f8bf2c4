/**
 * `haze setup tensorflow`: fetches wheels with pip, extracts the files that matter, compiles the binding against
 * them, and runs an operation; then renames the finished folder in one step. A failure before that
 * leaves an earlier set-up unchanged.
 */
import { mkdir, readdir, rename, rm, statfs, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RunError } from '../../errors.js';
import { systemReason } from '../../io/atomic.js';
import { cacheFolder } from '../../io/cache-folder.js';
import { withLock } from '../../io/lock.js';
import { type Install, type Manifest, readManifest } from '../locate.js';
import { findPackage } from '../package.js';
import { probe } from '../probe.js';
import { compileBinding, findCompiler } from './compile.js';
import { extract } from './extract.js';
import { fetchPackage } from './fetch-package.js';
import { bindingFile, installFolder, manifestFile } from './folders.js';
import { otherSetups } from './other-setups.js';
import { downloadWheel, findPython, isWheel } from './pip.js';
import { checkPlatform } from './platform.js';
import { refuseUnsafe } from './safe-cache.js';
import { type Bundle, CPU, CUDA, type Wheel } from './wheels.js';

/** The progress of a set-up, for a bar or lines. */
export interface SetupProgress {
  /** e.g. `download tensorflow-cpu 2.21.0 (274 MB)`. */
  readonly step: string;
  /** Bytes so far and in total, if the step is counted. */
  readonly done?: number;
  readonly total?: number;
}

export interface SetupOptions {
  /** Use the CUDA build and NVIDIA's libraries (3.3 GB to download, 5.6 GB on disk). */
  readonly cuda?: boolean;
  readonly onProgress?: (progress: SetupProgress) => void;
  readonly env?: NodeJS.ProcessEnv;
  /** What to set up; by default the pinned wheels. */
  readonly bundle?: Bundle;
}

/** A finished set-up. */
export interface SetupResult {
  readonly install: Install;
  /** libtensorflow's version. */
  readonly version: string;
  /** Whether operations run on a CUDA device. */
  readonly gpu: boolean;
  /** Whether it already existed and still works, so that nothing was done. */
  readonly already: boolean;
  /** Folders of set-ups of the same kind, by other versions of Haze, which this one does not use. */
  readonly others: readonly string[];
}

/**
 * Sets up libtensorflow in the user's cache; quick if that has already been done.
 * @throws UsageError on platforms other than Linux x64; RunError naming what is missing or went wrong.
 */
export async function setupTensorflow(options: SetupOptions = {}): Promise<SetupResult> {
  const env = options.env ?? process.env;
  const bundle = options.bundle ?? (options.cuda ? CUDA : CPU);
  const onProgress = options.onProgress ?? (() => {});
  checkPlatform('setup tensorflow: ');
  const cache = cacheFolder(env);
  const root = path.join(cache, 'tensorflow');
  const cannotWrite = (error: unknown): never => {
    const why = systemReason(error);
    if (why === undefined) throw error;
    throw new RunError(`setup tensorflow: cannot write ${cache}: ${why}`, { cause: error });
  };
  const own = path.join(root, OWN);
  // Only for the user: files in it are loaded into every run.
  await mkdir(own, { recursive: true, mode: 0o700 }).catch(cannotWrite);
  for (const folder of [own, path.join(cache, 'wheels')]) refuseUnsafe(cache, folder);
  const wait = () => onProgress({ step: 'wait for another set-up in the same cache' });
  const lock = { path: root, use: 'setup' };
  const job = { bundle, cache, root, own, env, onProgress };
  return withLock(lock, wait, async () => {
    const result = await setUp(job).catch(cannotWrite);
    return { ...result, others: await otherSetups(result.install) };
  });
}

interface Job {
  readonly bundle: Bundle;
  readonly cache: string;
  readonly root: string;
  /** An empty folder, in which programs run. */
  readonly own: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onProgress: (progress: SetupProgress) => void;
}

/** What a set-up finds or makes. */
type Ready = Omit<SetupResult, 'others'>;

async function setUp(job: Job): Promise<Ready> {
  const { bundle, cache, root, own, env, onProgress } = job;
  const folder = installFolder(cache, bundle);
  const standing = await verifyStanding(cache, folder, bundle, env);
  if (standing) return standing;
  // Cheap checks first: nothing is downloaded for a machine that cannot compile.
  const compiler = await findCompiler(env, own);
  const packageFolder = findPackage(cache) ?? (await fetchNpm(job));
  const wheels = await fetchWheels(job);
  await removeLeftovers(root);
  const building = path.join(root, `${BUILDING}${process.pid}`);
  try {
    await mkdir(building, { mode: 0o700 });
    await unpack(job, wheels, building);
    onProgress({ step: 'compile the binding' });
    const libraries = path.join(building, 'tensorflow');
    const output = bindingFile(building);
    await compileBinding({ compiler, packageFolder, libraries, output, env });
    await writeFile(manifestFile(building), manifest(bundle));
    onProgress({ step: 'verify' });
    const seen = await verify(installAt(building, bundle, packageFolder), env);
    await replace(building, folder);
    await Promise.all(wheels.map((file) => rm(file, { force: true })));
    return { install: installAt(folder, bundle, packageFolder), ...seen, already: false };
  } finally {
    await rm(building, { recursive: true, force: true });
  }
}

const BUILDING = '.building-';
const OWN = '.empty';

const installAt = (folder: string, bundle: Bundle, packageFolder: string): Install => ({
  origin: bundle.kind,
  folder,
  binding: bindingFile(folder),
  packageFolder,
});

/** The existing set-up, if it still works. */
async function verifyStanding(
  cache: string,
  folder: string,
  bundle: Bundle,
  env: NodeJS.ProcessEnv,
): Promise<Ready | undefined> {
  const packageFolder = findPackage(cache);
  if (!packageFolder || !readManifest(folder)) return undefined;
  const install = installAt(folder, bundle, packageFolder);
  const seen = await probe(install, env);
  if (!seen.ok) return undefined;
  return { install, version: seen.version, gpu: seen.gpu, already: true };
}

async function verify(
  install: Install,
  env: NodeJS.ProcessEnv,
): Promise<{ version: string; gpu: boolean }> {
  const seen = await probe(install, env);
  if (seen.ok) return { version: seen.version, gpu: seen.gpu };
  throw new RunError(`setup tensorflow: the built library does not work here: ${seen.why}`);
}

function fetchNpm({ cache, env, onProgress }: Job): Promise<string> {
  onProgress({ step: 'fetch the npm package' });
  return fetchPackage(cache, env);
}

/** All wheels of the bundle on disk, each checked against its hash; finished ones are reused. */
async function fetchWheels(job: Job): Promise<string[]> {
  const { bundle, cache, own, env, onProgress } = job;
  const folder = path.join(cache, 'wheels');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const wheels = [bundle.tensorflow, ...bundle.nvidia];
  const missing: Wheel[] = [];
  for (const wheel of wheels) {
    if (await isWheel(path.join(folder, wheel.file), wheel)) continue;
    await rm(path.join(folder, wheel.file), { force: true });
    missing.push(wheel);
  }
  await checkSpace(folder, wheels, missing);
  const python = missing.length > 0 ? await findPython(env, own) : '';
  for (const wheel of missing) {
    const { project, version, bytes: total } = wheel;
    const step = `download ${project} ${version} (${megabytes(total)})`;
    onProgress({ step, done: 0, total });
    await downloadWheel(python, wheel, folder, env, (done) => onProgress({ step, done, total }));
  }
  return wheels.map((wheel) => path.join(folder, wheel.file));
}

/** pip copies a wheel before it is done, so the largest missing one counts twice. */
async function checkSpace(folder: string, wheels: Wheel[], missing: Wheel[]): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const sum = (sizes: number[]) => sizes.reduce((a, b) => a + b, 0);
  const largest = Math.max(0, ...missing.map((wheel) => wheel.bytes));
  const needed =
    sum(missing.map((w) => w.bytes)) + largest + sum(wheels.map((w) => w.unpacked)) + 20_000_000;
  if (bavail * bsize >= needed) return;
  throw new RunError(
    `setup tensorflow: ${folder} is on a disk with ${megabytes(bavail * bsize)} free, and ` +
      `${megabytes(needed)} are needed; free some, or point HAZE_CACHE at a larger disk`,
  );
}

async function unpack(job: Job, wheels: string[], building: string): Promise<void> {
  const { bundle, onProgress } = job;
  const total = [bundle.tensorflow, ...bundle.nvidia].reduce((sum, w) => sum + w.unpacked, 0);
  let before = 0;
  for (const file of wheels) {
    let bytes = 0;
    await extract(file, isWanted, building, (done) => {
      bytes = done;
      onProgress({ step: 'unpack', done: Math.min(before + done, total), total });
    });
    before += bytes;
  }
  if (bundle.nvidia.length > 0) await linkCusolver(building);
}

/** From libtensorflow: both libraries and the C headers; from NVIDIA's wheels: the shared libraries. */
const isWanted = (name: string): boolean =>
  WANTED.has(name) || /^nvidia\/[^/]+\/lib\/[^/]+\.so[.\d]*$/.test(name);

const WANTED = new Set([
  'tensorflow/libtensorflow_cc.so.2',
  'tensorflow/libtensorflow_framework.so.2',
  ...[
    'tensorflow/c/c_api.h',
    'tensorflow/c/c_api_macros.h',
    'tensorflow/c/eager/c_api.h',
    'tensorflow/c/tf_attrtype.h',
    'tensorflow/c/tf_buffer.h',
    'tensorflow/c/tf_datatype.h',
    'tensorflow/c/tf_status.h',
    'tensorflow/c/tf_tensor.h',
    'tensorflow/c/tf_tstring.h',
    'tensorflow/core/platform/ctstring.h',
    'tensorflow/core/platform/ctstring_internal.h',
    'tsl/platform/ctstring.h',
    'tsl/platform/ctstring_internal.h',
    'xla/tsl/c/tsl_status.h',
  ].map((header) => `tensorflow/include/${header}`),
]);

/**
 * libtensorflow_framework opens cuSOLVER by name, but its run path lists every NVIDIA folder except that
 * one: a link in a folder that it does list closes the gap.
 */
async function linkCusolver(building: string): Promise<void> {
  const listed = path.join(building, 'nvidia', 'cublas', 'lib');
  await mkdir(listed, { recursive: true });
  await symlink('../../cusolver/lib/libcusolver.so.11', path.join(listed, 'libcusolver.so.11'));
}

/** Puts the finished folder in place; removes a broken one. */
async function replace(building: string, folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await rename(building, folder);
}

/** Removes what killed set-ups left behind. The lock is held, so no other set-up is running. */
async function removeLeftovers(root: string): Promise<void> {
  const leftovers = (await readdir(root)).filter((name) => name.startsWith(BUILDING));
  await Promise.all(
    leftovers.map((name) => rm(path.join(root, name), { recursive: true, force: true })),
  );
}

function manifest(bundle: Bundle): string {
  const wheels = [bundle.tensorflow, ...bundle.nvidia].map((wheel) => wheel.file);
  const content: Manifest = { kind: bundle.kind, tensorflow: bundle.tensorflow.version, wheels };
  return `${JSON.stringify(content, null, 2)}\n`;
}

const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
