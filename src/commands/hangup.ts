/**
 * Whether this process was started with SIGHUP ignored, as by nohup. Node resets every signal before any JavaScript runs, so
 * the process itself no longer shows it, but its surroundings do:
 *
 * - Ignored signals are inherited. If nohup started a script that runs Haze, the script's shell still ignores SIGHUP.
 * - A shell sets `_` to the program it starts. If our `_` names nohup and the shell's own does not, the shell ran nohup.
 * - nohup replaces a terminal on standard input by a /dev/null opened for writing only, and on standard output by a
 *   file nohup.out.
 *
 * There may be npm between the shell and Haze. It runs on Node, so it passes nothing on: then its ancestors are checked too.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Where to look; tests replace it. */
export interface Surroundings {
  readonly proc: string;
  readonly pid: number;
  readonly ppid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const HERE: Surroundings = {
  proc: '/proc',
  pid: process.pid,
  ppid: process.ppid,
  env: process.env,
};

export function isHangupIgnored(here: Surroundings = HERE): boolean {
  const { proc } = here;
  for (const { env, parent } of starts(here)) {
    if (ignoresHangup(proc, parent)) return true;
    if (namesNohup(env) && !namesNohup(environment(proc, parent))) return true;
  }
  return hasNohupsInput(here) || hasNohupsOutput(here);
}

/** How a process was started. */
interface Started {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly parent: number;
}

/** This process, and those above it up to the outermost npm, which tells its descendants where it is. */
function* starts({ proc, env, ppid }: Surroundings): Generator<Started> {
  let started: Started = { env, parent: ppid };
  yield started;
  while (started.env.npm_execpath !== undefined && started.parent > 1) {
    const parent = Number(status(proc, started.parent, 'PPid') ?? 0);
    started = { env: environment(proc, started.parent), parent };
    yield started;
  }
}

const namesNohup = ({ _: program = '' }: Started['env']): boolean => basename(program) === 'nohup';

/** Bit n − 1 of the mask stands for signal n; SIGHUP is 1. */
function ignoresHangup(proc: string, pid: number): boolean {
  const mask = status(proc, pid, 'SigIgn');
  return mask !== undefined && (Number.parseInt(mask.at(-1) ?? '0', 16) & 1) === 1;
}

/** Whether standard input is open for writing only, which only nohup does. */
function hasNohupsInput({ proc, pid }: Surroundings): boolean {
  const info = read(join(proc, String(pid), 'fdinfo', '0')) ?? '';
  const [, flags] = /^flags:\s+([0-7]+)$/m.exec(info) ?? [];
  const isWriteOnly = flags !== undefined && (Number.parseInt(flags, 8) & 3) === 1;
  return isWriteOnly && target(proc, pid, 0) === '/dev/null';
}

const hasNohupsOutput = ({ proc, pid }: Surroundings): boolean =>
  [1, 2].some((fd) => basename(target(proc, pid, fd)) === 'nohup.out');

function target(proc: string, pid: number, fd: number): string {
  try {
    return readlinkSync(join(proc, String(pid), 'fd', String(fd)));
  } catch {
    return '';
  }
}

/** The environment that a process was started with; empty if it may not be read. */
function environment(proc: string, pid: number): Started['env'] {
  const pairs = (read(join(proc, String(pid), 'environ')) ?? '').split('\0');
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function status(proc: string, pid: number, row: string): string | undefined {
  const text = read(join(proc, String(pid), 'status')) ?? '';
  return new RegExp(`^${row}:\\s+(\\S+)$`, 'm').exec(text)?.[1];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
