/** Fetches the npm package into the cache where npm dropped the optional dependency; its scripts never run. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { RunError } from '../../errors.js';
import { findPackage, PACKAGE, PACKAGE_VERSION, packageCache } from '../package.js';
import { command, reason } from './command.js';

/** @returns the package's folder. @throws RunError when npm is missing or fails. */
export async function fetchPackage(cache: string, env: NodeJS.ProcessEnv): Promise<string> {
  const folder = packageCache(cache);
  const partial = `${folder}.partial`;
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true });
    await writeFile(`${partial}/package.json`, '{"private":true}\n');
    const what = `${PACKAGE}@${PACKAGE_VERSION}`;
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefix', partial];
    const done = await command('npm', ['install', ...flags, what], env);
    if (done?.status !== 0) {
      const why = done ? reason(done) : 'no npm on the PATH';
      throw new RunError(`setup tensorflow: npm could not fetch ${what}: ${why}`);
    }
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return findPackage(cache)!;
}
