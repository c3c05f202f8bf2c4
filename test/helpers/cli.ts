import { type ChildProcess, spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { endWith } from './child.js';
import { CLI } from './cli-path.js';
import { temporaryFolder } from './folder.js';

/** What a call of the built program left. */
export interface Outcome {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export { CLI } from './cli-path.js';

/** Runs the built program in a folder, to its end. */
export const haze = (
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> => start(cwd, args, env).exit;

/** A run of the program; `exit` resolves when it is over. */
export interface Running {
  readonly process: ChildProcess;
  readonly exit: Promise<Outcome>;
}

/** Starts the built program in a folder; it does not outlive the test. */
export function startHaze(
  t: ExecutionContext,
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Running {
  const running = start(cwd, args, env);
  endWith(t, running.process);
  return running;
}

function start(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Running {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  const exit = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...output }));
  });
  return { process: child, exit };
}

/** Waits until something holds while the program runs. @throws what it has written, if it ends before */
export async function meanwhile(
  { exit }: Running,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  let over: Outcome | undefined;
  void exit.then((outcome) => {
    over = outcome;
  });
  while (!(await holds())) {
    if (over) throw new Error(`it ended before, with ${over.code}: ${over.stderr}`);
    await setTimeout(5);
  }
}

/**
 * Runs the program in an empty folder and asserts that it refuses: the exit code (2 by default), a few lines
 * on stderr that match, no stack, nothing on stdout and nothing left behind.
 */
export async function refuses(
  t: ExecutionContext,
  args: readonly string[],
  message: RegExp,
  code = 2,
): Promise<void> {
  const folder = await temporaryFolder(t);
  const outcome = await haze(folder, args);
  const call = `haze ${args.join(' ')}`;
  t.is(outcome.code, code, `${call}\n${outcome.stderr}`);
  t.regex(outcome.stderr, message, call);
  t.true(outcome.stderr.startsWith('haze: '), outcome.stderr);
  t.true(outcome.stderr.trimEnd().split('\n').length <= 4, outcome.stderr);
  t.notRegex(outcome.stderr, /^\s+at /m, call);
  t.is(outcome.stdout, '', call);
  t.deepEqual(await readdir(folder), [], call);
}

/** Path of a file in test/fixtures. */
export const fixturePath = (name: string): string =>
  fileURLToPath(new URL(`../../../test/fixtures/${name}`, import.meta.url));
