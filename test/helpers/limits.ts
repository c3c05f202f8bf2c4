import { execFile } from 'node:child_process';
import { mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Outcome } from './cli.js';

/** A folder with these files, by their paths: what a kernel shows of other limits than this machine's. */
export async function kernelFiles(
  root: string,
  files: Readonly<Record<string, string>>,
): Promise<string> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), `${text}\n`);
  }
  return root;
}

/** Runs a script of sh to its end; `"$@"` are the arguments. */
export function shell(
  cwd: string,
  script: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { cwd, env: { ...process.env, ...env } };
    execFile('sh', ['-c', script, 'sh', ...args], options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : null) : 0;
      resolve({ code, stdout, stderr });
    });
  });
}

let made = 0;

/** A control group of the machine's own, of either version, with one limit; undefined where none may be made. */
export function realGroup(
  t: ExecutionContext,
  limits: readonly { readonly folder: string; readonly file: string; readonly value: string }[],
): string | undefined {
  for (const { folder, file, value } of limits) {
    const path = join(folder, `haze-test-${process.pid}-${made++}`);
    try {
      mkdirSync(path);
    } catch {
      continue;
    }
    try {
      // Where there is no such file, the folder is an ordinary one.
      writeFileSync(join(path, file), value, { flag: 'r+' });
      t.teardown(() => rmdirSync(path));
      return path;
    } catch {
      rmdirSync(path);
    }
  }
  return undefined;
}
