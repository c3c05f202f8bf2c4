/**
 * Loads libtensorflow in a separate process, runs an operation, and reports the result. A library that
 * crashes or prints does no harm there; set-up verifies with this and `doctor` reports from it.
 */
import { fileURLToPath } from 'node:url';
import type { Install } from './locate.js';
import { command, type Finished, reason } from './setup/command.js';

/** A CUDA device as announced by libtensorflow. */
export interface CudaDevice {
  readonly index: number;
  readonly name: string;
  readonly memoryMB: number;
  /** e.g. `9.0`. */
  readonly computeCapability: string;
}

/** The result of a probe. */
export type Probe =
  | {
      readonly ok: true;
      readonly version: string;
      /** Whether operations run on a CUDA device. */
      readonly gpu: boolean;
      readonly devices: readonly CudaDevice[];
      /** Why there is no GPU, in libtensorflow's words; undefined if it gave no reason. */
      readonly complaint: string | undefined;
    }
  | { readonly ok: false; readonly why: string };

/** Loads an install in a child process and multiplies two matrices there. Never throws. */
export async function probe(
  install: Install,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Probe> {
  const script = fileURLToPath(new URL('./probe-child.js', import.meta.url));
  const loud = {
    ...env,
    // Its messages about devices and libraries have levels below warnings.
    TF_CPP_MIN_LOG_LEVEL: '0',
    TF_CPP_MAX_VLOG_LEVEL: '0',
  };
  const args = [script, JSON.stringify(install)];
  const done = await command(process.execPath, args, loud, install.folder);
  if (done?.status !== 0) return { ok: false, why: done ? failure(done) : 'Node is gone' };
  const seen = JSON.parse(done.stdout) as { version: string; gpu: boolean };
  return { ok: true, ...seen, ...readLog(done.stderr) };
}

/** What libtensorflow's log says about GPUs: the devices it created, or why it created none. */
export function readLog(log: string): Pick<Extract<Probe, { ok: true }>, 'devices' | 'complaint'> {
  const created =
    /Created device \S*GPU:(\d+) with (\d+) MB memory:.*?name: ([^,]+),.*?compute capability: ([\d.]+)/g;
  const devices = new Map<number, CudaDevice>();
  for (const [, index, memory, name, computeCapability] of log.matchAll(created))
    devices.set(Number(index), {
      index: Number(index),
      name: name!.trim(),
      memoryMB: Number(memory),
      computeCapability: computeCapability!,
    });
  const complaint = log
    .split('\n')
    .find((line) => /cuInit|Could not find cuda drivers|Cannot dlopen some GPU/.test(line))
    ?.replace(/^.*?\] /, '')
    .trim();
  return { devices: [...devices.values()], complaint };
}

function failure(done: Finished): string {
  return done.status === -1 ? 'a signal ended the process' : reason({ ...done, stdout: '' });
}
