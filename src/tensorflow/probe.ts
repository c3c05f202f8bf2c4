/**
 * Loads libtensorflow in a process of its own, runs an operation, and tells what it saw. A library that
 * crashes or prints takes nothing with it; set-up verifies with this and `doctor` reports from it.
 */
import { fileURLToPath } from 'node:url';
import type { Install } from './locate.js';
import { command, type Finished, reason } from './setup/command.js';

/** A CUDA device as libtensorflow announces it. */
export interface CudaDevice {
  readonly index: number;
  readonly name: string;
  readonly memoryMB: number;
  /** e.g. `9.0`. */
  readonly computeCapability: string;
}

/** What a probe saw. */
export type Probe =
  | {
      readonly ok: true;
      readonly version: string;
      /** Operations run on a CUDA device. */
      readonly gpu: boolean;
      readonly devices: readonly CudaDevice[];
      /** Why there is no GPU, in libtensorflow's words; undefined where it said nothing. */
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
    // Its own words about devices and libraries are at the levels below warnings.
    TF_CPP_MIN_LOG_LEVEL: '0',
    TF_CPP_MAX_VLOG_LEVEL: '0',
  };
  const args = [script, JSON.stringify(install)];
  const done = await command(process.execPath, args, loud, install.folder);
  if (done?.status !== 0) return { ok: false, why: done ? failure(done) : 'Node is gone' };
  const seen = JSON.parse(done.stdout) as { version: string; gpu: boolean };
  return { ok: true, ...seen, ...readLog(done.stderr) };
}

/** What libtensorflow's log says of GPUs: the devices it made, or why it made none. */
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
