/** Files that killed processes left under temporary names (see io/temporary.ts). */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { remove } from '../io/atomic.js';
import { baseOfTemporary } from '../io/temporary.js';
import { listFolder } from './manifest.js';

/** A temporary file that has not been written to for this long was left by a dead process. Milliseconds. */
const ABANDONED = 600_000;

/**
 * Removes the temporary files of a folder that `whose` says are ours, by the names of the files they belong to, and old ones
 * of others.
 */
export async function clearTemporaries(
  folder: string,
  whose: (base: string) => 'ours' | "another's" | undefined,
): Promise<void> {
  for (const name of await listFolder(folder)) {
    const base = baseOfTemporary(name);
    const owner = base === undefined ? undefined : whose(base);
    if (owner === undefined) continue;
    const path = join(folder, name);
    if (owner === 'ours' || (await isOld(path))) await remove(path);
  }
}

async function isOld(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > ABANDONED;
}
