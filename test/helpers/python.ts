import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { needing } from './needing.js';

const run = promisify(execFile);

/** A Python with some modules: the one in `PYTHON`, else of the PATH; undefined where there is none. */
export async function pythonWith(...modules: string[]): Promise<string | undefined> {
  for (const python of [process.env.PYTHON, 'python3'])
    if (python)
      try {
        await run(python, ['-c', `import ${modules.join(', ')}`]);
        return python;
      } catch {}
  return undefined;
}

/** What a program in Python prints, as JSON. */
export async function pythonJson(python: string, ...args: string[]): Promise<unknown> {
  return JSON.parse((await run(python, args)).stdout);
}

/** A test that needs a Python with some modules, and is given it. */
export async function pythonTest(
  title: string,
  modules: readonly string[],
  body: (t: ExecutionContext, python: string) => Promise<void>,
): Promise<void> {
  const python = await pythonWith(...modules);
  const lack = `there is no Python with ${modules.join(', ')}; PYTHON names one`;
  needing(python === undefined ? lack : undefined)(title, (t) => body(t, python!));
}
