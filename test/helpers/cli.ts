import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { temporaryFolder } from './folder.js';

/** What a call of the built program left. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built program. */
export const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

/** Runs the built program in a folder. */
export function haze(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 1 << 26 };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [CLI, ...args], options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
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
