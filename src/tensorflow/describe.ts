/** The state of TensorFlow on this machine, the device it uses, and how to fix gaps: for doctor, `auto` and `--require`. */
import { CheckError } from '../errors.js';
import { missingLibraries, nvidiaDriver, tf32Forbidden } from './cuda.js';
import { findInstall, type Install, installDanger, type Origin } from './locate.js';
import { type CudaDevice, type Probe, probe } from './probe.js';
import { otherPlatform } from './setup/platform.js';

/** Something missing, and how to fix it. */
export interface Gap {
  readonly what: string;
  readonly fix: string;
}

export interface TensorflowReport {
  /** Where libtensorflow comes from, or undefined if there is none. */
  readonly origin: Origin | undefined;
  readonly folder: string | undefined;
  /** libtensorflow's version, if it loads. */
  readonly version: string | undefined;
  /** CUDA devices in libtensorflow's order. */
  readonly devices: readonly CudaDevice[];
  /** The device used: the first CUDA device (`CUDA_VISIBLE_DEVICES` chooses), else the CPU; undefined if nothing loads. */
  readonly used: CudaDevice | 'cpu' | undefined;
  /** Version of the NVIDIA driver, if there is one. */
  readonly driver: string | undefined;
  /** Whether convolutions may round to TF32: `unsupported` by the device (or without one), `off` by the environment. */
  readonly tf32: 'on' | 'off' | 'unsupported';
  readonly gaps: readonly Gap[];
}

/** Examines the set-up, and loads libtensorflow in a child process (a second or two). Never throws. */
export async function describeTensorflow(
  env: NodeJS.ProcessEnv = process.env,
): Promise<TensorflowReport> {
  const install = findInstall(env);
  const danger = install && installDanger(install, env);
  // Like another platform: a gap that set-up does not fix, and nothing is loaded.
  if (danger) return report(undefined, undefined, nvidiaDriver(), env, danger);
  return report(install, install && (await probe(install, env)), nvidiaDriver(), env);
}

/** The report on an install and the result of probing it; `other` is a gap that no set-up fixes: an unsupported platform. */
export function report(
  install: Install | undefined,
  seen: Probe | undefined,
  driver: string | undefined,
  env: NodeJS.ProcessEnv,
  other: Gap | undefined = otherPlatform(),
): TensorflowReport {
  const devices = seen?.ok ? seen.devices : [];
  const gpu = seen?.ok && seen.gpu ? devices[0] : undefined;
  const cpu = seen?.ok ? 'cpu' : undefined;
  return {
    origin: install?.origin,
    folder: install?.folder,
    version: seen?.ok ? seen.version : undefined,
    devices,
    used: gpu ?? cpu,
    driver,
    tf32:
      !gpu || Number(gpu.computeCapability) < 8 ? 'unsupported' : tf32Forbidden(env) ? 'off' : 'on',
    gaps: install || !other ? gaps(install, seen, driver) : [other],
  };
}

/** @throws CheckError unless a CUDA GPU computes: `--require cuda`. */
export async function requireCuda(env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const { used, gaps } = await describeTensorflow(env);
  if (used !== undefined && used !== 'cpu') return;
  const [gap] = gaps;
  const why = gap ? `${gap.what}; ${gap.fix}` : 'libtensorflow found no device';
  throw new CheckError(`--require cuda: no usable GPU: ${why}`);
}

/** The GPU for `auto`, or why there is none. A CPU build is not even loaded. */
export async function usableGpu(
  env: NodeJS.ProcessEnv = process.env,
): Promise<CudaDevice | { readonly why: string }> {
  const install = findInstall(env);
  if (!install) return { why: otherPlatform()?.what ?? 'tensorflow is not set up' };
  if (install.origin === 'cpu') return { why: "tensorflow's CPU build is set up" };
  const { used, gaps } = await describeTensorflow(env);
  if (used !== undefined && used !== 'cpu') return used;
  return { why: gaps[0]?.what ?? 'libtensorflow found none' };
}

const SETUP = 'run `haze setup tensorflow`';
const SETUP_CUDA = 'run `haze setup tensorflow --cuda`';

function gaps(install: Install | undefined, seen: Probe | undefined, driver?: string): Gap[] {
  const setup = driver ? SETUP_CUDA : SETUP;
  if (!install) return [{ what: 'tensorflow is not set up', fix: setup }];
  const { origin } = install;
  const again = origin === 'cuda' ? SETUP_CUDA : setup;
  if (!seen?.ok) return [{ what: `libtensorflow does not load: ${seen?.why}`, fix: again }];
  if (seen.gpu) return [];
  if (!driver) {
    const what = 'no NVIDIA driver is loaded';
    return [
      { what, fix: 'without an NVIDIA GPU there is nothing to do; with one, install its driver' },
    ];
  }
  if (origin === 'cpu')
    return [
      {
        what: `there is an NVIDIA driver (${driver}), but the CPU build is set up`,
        fix: SETUP_CUDA,
      },
    ];
  if (origin === 'official')
    return [
      {
        what: `the package's own libtensorflow ${seen.version} does not use the GPU (driver ${driver})`,
        fix: SETUP_CUDA,
      },
    ];
  const missing = missingLibraries(install.folder);
  if (missing.length > 0)
    return [{ what: `CUDA libraries are missing: ${missing.join(', ')}`, fix: SETUP_CUDA }];
  const words = seen.complaint ?? 'libtensorflow gives no reason';
  return [
    {
      what: `the NVIDIA driver (${driver}) offers libtensorflow no device: ${words}`,
      fix: 'check nvidia-smi; CUDA 12.5 needs driver 525.60 or later',
    },
  ];
}
