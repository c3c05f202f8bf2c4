import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { needing } from './needing.js';

const run = promisify(execFile);

/** What a program in Python prints, as JSON. */
export async function pythonJson(python: string, ...args: string[]): Promise<unknown> {
  return JSON.parse((await run(python, args)).stdout);
}

/** A Python with some modules: the one in `PYTHON`, else of the PATH; undefined where there is none. */
const pythonWith = (modules: readonly string[]): string | undefined =>
  [process.env.PYTHON, 'python3'].find(
    (python) => python && spawnSync(python, ['-c', `import ${modules.join(', ')}`]).status === 0,
  );

/** A test that needs a Python with some modules, and is given it. */
export function pythonTest(
  title: string,
  modules: readonly string[],
  body: (t: ExecutionContext, python: string) => Promise<void>,
): void {
  const python = pythonWith(modules);
  const lack = `there is no Python with ${modules.join(', ')}; PYTHON names one`;
  needing(python === undefined ? lack : undefined)(title, (t) => body(t, python!));
}
