/**
 * Fetches the npm package into the cache if the project does not have it; its scripts never run. A lock file
 * pins it and its dependencies by their integrity hashes, taken from this program's own lock file.
 */
import { readFileSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { RunError } from '../../errors.js';
import { findPackage, PACKAGE, PACKAGE_VERSION, packageCache } from '../package.js';
import { command, type Finished, reason } from './command.js';

/** The relevant part of npm's lock file. */
export interface NpmLock {
  readonly lockfileVersion: number;
  /** By folder; the project itself has the empty name. */
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

/** The lock file that the build extracts from package-lock.json. */
export const pinnedLock = (): NpmLock =>
  JSON.parse(readFileSync(new URL('./npm-lock.json', import.meta.url), 'utf8')) as NpmLock;

/**
 * @returns the package's folder.
 * @throws RunError if npm is missing or fails, and for a package that does not match the lock file.
 */
export async function fetchPackage(
  cache: string,
  env: NodeJS.ProcessEnv,
  lock: NpmLock = pinnedLock(),
): Promise<string> {
  const folder = packageCache(cache);
  const partial = `${folder}.partial`;
  try {
    await rm(partial, { recursive: true, force: true });
    await mkdir(partial, { recursive: true, mode: 0o700 });
    const project = { private: true, dependencies: lock.packages['']?.dependencies };
    await writeFile(`${partial}/package.json`, JSON.stringify(project));
    await writeFile(`${partial}/package-lock.json`, JSON.stringify(lock));
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefix', partial];
    const done = await command('npm', ['ci', ...flags], env, partial);
    if (done?.status !== 0) throw npmError(done);
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return findPackage(cache)!;
}

function npmError(done: Finished | undefined): RunError {
  const what = `${PACKAGE}@${PACKAGE_VERSION}`;
  const mismatch = done && /EINTEGRITY.*/.exec(done.stderr)?.[0];
  if (mismatch)
    return new RunError(
      `setup tensorflow: ${what} or what it needs does not have its pinned hash; the registry or a proxy served ` +
        `another file; nothing was installed (${mismatch.trim()})`,
    );
  const why = done ? reason(done) : 'no npm on the PATH';
  return new RunError(`setup tensorflow: npm could not fetch ${what}: ${why}`);
}
