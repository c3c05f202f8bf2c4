import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../io/atomic.js';
import { type RunLock, tryLockRun } from '../io/run-lock.js';

/** A run's folder, and the lock on it. */
export interface Claim {
  readonly out: string;
  readonly lock: RunLock;
}

/**
 * The first of runs/1, runs/2, … that no existing number reaches and no process has claimed, for a run whose folder
 * was not named.
 */
export async function claimRunFolder(root = 'runs'): Promise<Claim> {
  for (let number = await nextNumber(root); ; number++) {
    const out = join(root, String(number));
    const lock = await tryLockRun(out);
    // Another process may have made it between the check and the lock.
    if (lock && number >= (await nextNumber(root))) return { out, lock };
    lock?.release();
  }
}

async function nextNumber(root: string): Promise<number> {
  const numbers = (await names(root)).filter((name) => /^\d{1,15}$/.test(name)).map(Number);
  return Math.max(0, ...numbers) + 1;
}

async function names(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}
