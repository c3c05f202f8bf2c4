import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CheckError } from '../../src/errors.js';
import { missingLibraries, nvidiaDriver } from '../../src/tensorflow/cuda.js';
import { describeTensorflow, report, requireCuda } from '../../src/tensorflow/describe.js';
import type { Install, Origin } from '../../src/tensorflow/locate.js';
import { type Probe, readLog } from '../../src/tensorflow/probe.js';
import { temporaryFolder } from '../helpers/folder.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

/** Where NVIDIA's wheels put their libraries. */
const LAYOUT: Readonly<Record<string, readonly string[]>> = {
  cublas: ['libcublas.so.12', 'libcublasLt.so.12'],
  cudnn: ['libcudnn.so.9'],
  cufft: ['libcufft.so.11'],
  cusparse: ['libcusparse.so.12'],
  cusolver: ['libcusolver.so.11'],
  cuda_runtime: ['libcudart.so.12'],
  cuda_cupti: ['libcupti.so.12'],
  cuda_nvrtc: ['libnvrtc.so.12'],
  nvjitlink: ['libnvJitLink.so.12'],
  curand: ['libcurand.so.10'],
  nccl: ['libnccl.so.2'],
};

/** A set-up's CUDA libraries as empty files, with the link that makes cuSOLVER findable. */
async function fakeCuda(t: ExecutionContext, without: readonly string[] = []): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [name, files] of Object.entries(LAYOUT)) {
    const lib = path.join(folder, 'nvidia', name, 'lib');
    await mkdir(lib, { recursive: true });
    for (const file of files)
      if (!without.includes(file)) await writeFile(path.join(lib, file), '');
  }
  const link = path.join(folder, 'nvidia', 'cublas', 'lib', 'libcusolver.so.11');
  if (!without.includes('the link')) await symlink('../../cusolver/lib/libcusolver.so.11', link);
  return folder;
}

const install = (origin: Origin, folder = '/none'): Install => ({
  origin,
  folder,
  binding: `${folder}/tfjs_binding.node`,
  packageFolder: '/none',
});

const DEVICE = {
  index: 0,
  name: 'NVIDIA A100-SXM4-80GB',
  memoryMB: 79190,
  computeCapability: '8.0',
};

const works = (more: Partial<Extract<Probe, { ok: true }>> = {}): Probe => ({
  ok: true,
  version: '2.21.0',
  gpu: false,
  devices: [],
  complaint: undefined,
  ...more,
});

test('all CUDA libraries are found where libtensorflow looks', async (t) => {
  t.deepEqual(missingLibraries(await fakeCuda(t)), []);
});

test('missing CUDA libraries are named, including a broken link', async (t) => {
  const without = ['libcudnn.so.9', 'libnvJitLink.so.12', 'libcusolver.so.11'];
  const names = missingLibraries(await fakeCuda(t, without));
  t.deepEqual(names.sort(), [...without].sort());
});

test('cuSOLVER only in its own folder is not found', async (t) => {
  t.deepEqual(missingLibraries(await fakeCuda(t, ['the link'])), ['libcusolver.so.11']);
});

test("the driver's version is read if there is a driver", async (t) => {
  const file = path.join(await temporaryFolder(t), 'version');
  t.is(nvidiaDriver(file), undefined);
  const line =
    'NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar  5 22:23:56 UTC 2024';
  await writeFile(file, `${line}\nGCC version: 12.2.0\n`);
  t.is(nvidiaDriver(file), '550.54.15');
  const open = 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build';
  await writeFile(file, `${open}\n`);
  t.is(nvidiaDriver(file), '570.86.15');
});

test("devices and complaints are read from libtensorflow's log", (t) => {
  const created =
    'I0000 00:00:1 1 gpu_device.cc:2020] Created device /job:localhost/replica:0/task:0/device:GPU:0 with ' +
    '79190 MB memory:  -> device: 0, name: NVIDIA A100-SXM4-80GB, pci bus id: 0000:07:00.0, compute capability: 8.0';
  t.deepEqual(readLog(`${created}\n${created}\n`).devices, [DEVICE]);
  const failed =
    'E0000 00:00:1 1 cuda_platform.cc:51] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)';
  t.deepEqual(readLog(failed), {
    devices: [],
    complaint:
      'failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: UNKNOWN ERROR (303)',
  });
  t.deepEqual(readLog('nothing of interest'), { devices: [], complaint: undefined });
});

test('without a set-up, the report has the command, with --cuda if there is a driver', (t) => {
  t.like(report(undefined, undefined, undefined, {}), {
    origin: undefined,
    used: undefined,
    gaps: [{ what: 'tensorflow is not set up', fix: 'run `haze setup tensorflow`' }],
  });
  const { gaps } = report(undefined, undefined, '550.54.15', {});
  t.is(gaps[0]!.fix, 'run `haze setup tensorflow --cuda`');
});

test('with a GPU that computes, the report has the device, TF32 and no gaps', (t) => {
  const seen = works({ gpu: true, devices: [DEVICE] });
  t.like(report(install('cuda'), seen, '550.54.15', {}), { used: DEVICE, tf32: 'on', gaps: [] });
  const env = { NVIDIA_TF32_OVERRIDE: '0' };
  t.is(report(install('cuda'), seen, '550.54.15', env).tf32, 'off');
  const old = { ...DEVICE, computeCapability: '7.5' };
  const turing = works({ gpu: true, devices: [old] });
  t.is(report(install('cuda'), turing, '550.54.15', {}).tf32, 'unsupported');
});

test('with a driver but a CPU build or an old official one, the report suggests a set-up for CUDA', (t) => {
  for (const origin of ['cpu', 'official'] as const) {
    const { used, gaps } = report(install(origin), works(), '550.54.15', {});
    t.is(used, 'cpu');
    t.is(gaps.length, 1);
    t.is(gaps[0]!.fix, 'run `haze setup tensorflow --cuda`');
  }
});

test('the CUDA build without a driver says so, and computes on the CPU', (t) => {
  const { used, gaps } = report(install('cuda'), works(), undefined, {});
  t.is(used, 'cpu');
  t.regex(gaps[0]!.what, /no NVIDIA driver/);
});

test('the CUDA build with a driver names a missing library', async (t) => {
  const folder = await fakeCuda(t, ['libcudnn.so.9']);
  const { gaps } = report(install('cuda', folder), works(), '550.54.15', {});
  t.regex(gaps[0]!.what, /libcudnn\.so\.9/);
  t.is(gaps[0]!.fix, 'run `haze setup tensorflow --cuda`');
});

test("if nothing is missing but there is no device, libtensorflow's message is passed on", async (t) => {
  const seen = works({ complaint: 'failed call to cuInit: (803)' });
  const { gaps } = report(install('cuda', await fakeCuda(t)), seen, '450.80.02', {});
  t.regex(gaps[0]!.what, /450\.80\.02.*failed call to cuInit: \(803\)/);
});

test('a library that does not load is a gap with the reason', (t) => {
  const seen = { ok: false, why: 'invalid ELF header' } as const;
  const { used, version, gaps } = report(install('cuda'), seen, undefined, {});
  t.deepEqual([used, version], [undefined, undefined]);
  t.regex(gaps[0]!.what, /invalid ELF header/);
  t.is(gaps[0]!.fix, 'run `haze setup tensorflow --cuda`');
});

test('--require cuda fails without a set-up, and says what to do', async (t) => {
  const env = { HAZE_CACHE: await temporaryFolder(t) };
  const error = await t.throwsAsync(() => requireCuda(env), { instanceOf: CheckError });
  t.regex(error.message, /haze setup tensorflow/);
});

tensorflowTest(
  'the report on this machine has a version, a folder and the computing device',
  async (t) => {
    const { version, folder, used } = await describeTensorflow();
    t.regex(version!, /^\d+\.\d+/);
    t.truthy(folder);
    t.truthy(used);
  },
);
