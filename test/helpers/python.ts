import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

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
