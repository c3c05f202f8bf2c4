/** Programs as a user of the package has them: a folder in which `haze` is installed, and a strict compiler. */
import { execFile } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { temporaryFolder } from './folder.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

/** As strict as a user's compiler can be, with the declarations of the package itself checked. */
const COMPILER = {
  module: 'nodenext',
  target: 'es2022',
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
  types: ['node'],
  typeRoots: [join(root, 'node_modules', '@types')],
};

/** A folder with these programs, compiled beside their sources, with other options of the compiler where some are given. Their errors fail the test. */
export async function compiled(
  t: ExecutionContext,
  programs: Readonly<Record<string, string>>,
  options: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const folder = await temporaryFolder(t);
  const files = Object.keys(programs);
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules', 'haze'), 'junction');
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const config = { compilerOptions: { ...COMPILER, ...options }, files };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  for (const [name, text] of Object.entries(programs)) await writeFile(join(folder, name), text);
  const run = promisify(execFile)(process.execPath, [tsc], { cwd: folder });
  await run.catch(({ stdout }) => t.fail(stdout));
  return folder;
}
