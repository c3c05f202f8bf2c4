/** Runs the programs that a set-up needs (Python, g++, npm, Node) and captures their output. */
import { spawn } from 'node:child_process';

export interface Finished {
  /** Exit status; -1 if a signal ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program in the folder `cwd`: one of the set-up's own, since programs read settings and modules from the current folder,
 * which may contain anything. Resolves when the program has ended, or to undefined if the program does not
 * exist.
 */
export function command(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<Finished | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' || error.code === 'EACCES' ? resolve(undefined) : reject(error),
    );
    child.once('close', (status) => resolve({ status: status ?? -1, stdout, stderr }));
  });
}

/** The line of a program's output that best explains its failure: its last error, else its last line. */
export function reason({ stdout, stderr }: Pick<Finished, 'stdout' | 'stderr'>): string {
  const lines = `${stdout}\n${stderr}`
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const line = lines.findLast((text) => /error/i.test(text)) ?? lines.at(-1);
  return line?.replace(/^(\[cause\]: )?((Uncaught )?\w*error: )+/i, '') ?? 'it printed nothing';
}
