/**
 * Looks up CUDA's libraries the way libtensorflow will: by file name, in the folders of its run path. It opens
 * them at run time and does not report missing ones, so this is the only check.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Folders of libtensorflow_framework's run path, below `nvidia/`; each has its libraries in `lib/`. */
const RUN_PATH = [
  'cublas',
  'cudnn',
  'cufft',
  'cusparse',
  'cuda_runtime',
  'cuda_cupti',
  'nccl',
  'nvshmem',
];

/** Libraries that libtensorflow 2.21 opens. */
const OPENED = [
  'libcudart.so.12',
  'libcublas.so.12',
  'libcublasLt.so.12',
  'libcudnn.so.9',
  'libcufft.so.11',
  'libcusparse.so.12',
  'libcusolver.so.11',
  'libcupti.so.12',
  'libnccl.so.2',
];

/** Libraries that those need in turn, found by their own run paths, with the folder that they search. */
const NEEDED: readonly (readonly [folder: string, name: string])[] = [
  ['cuda_nvrtc', 'libnvrtc.so.12'],
  ['nvjitlink', 'libnvJitLink.so.12'],
  ['curand', 'libcurand.so.10'],
];

/** File names of the CUDA libraries that a set-up in `folder` lacks; broken links count as missing. */
export function missingLibraries(folder: string): string[] {
  const has = (nvidia: string, name: string) =>
    existsSync(path.join(folder, 'nvidia', nvidia, 'lib', name));
  return [
    ...OPENED.filter((name) => !RUN_PATH.some((nvidia) => has(nvidia, name))),
    ...NEEDED.filter(([nvidia, name]) => !has(nvidia, name)).map(([, name]) => name),
  ];
}

/** Version of the NVIDIA kernel driver, e.g. `550.54.15`; undefined if none is loaded. */
export function nvidiaDriver(proc = '/proc/driver/nvidia/version'): string | undefined {
  try {
    return /Kernel Module.*?\s(\d+(?:\.\d+)+)/.exec(readFileSync(proc, 'utf8'))?.[1] ?? 'unknown';
  } catch {
    return undefined;
  }
}

/** Whether the environment forbids TF32 (`NVIDIA_TF32_OVERRIDE=0`), whatever the GPU supports. */
export const tf32Forbidden = (env: NodeJS.ProcessEnv): boolean => env.NVIDIA_TF32_OVERRIDE === '0';
