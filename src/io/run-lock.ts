/** One process at a time trains into a run's folder. */
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { type Lock, tryLock } from './lock.js';

/** Takes the lock of a run, whose folder need not exist yet. @throws UsageError when it is held */
export async function lockRun(dir: string): Promise<Lock> {
  const lock = await tryLockRun(dir);
  if (lock) return lock;
  throw new UsageError(
    `--out ${dir}: expected a run that nobody is training, got one that a process on this machine is at`,
  );
}

/** The same, or undefined when it is held. */
export async function tryLockRun(dir: string): Promise<Lock | undefined> {
  try {
    return await tryLock(`run ${await realName(resolve(dir))}`);
  } catch {
    // Where the system grants no lock at all, as in some sandboxes, training goes without.
    return { release: async () => {} };
  }
}

/** The path without symbolic links, as far as it exists. */
async function realName(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(await realName(parent), basename(path));
  }
}
