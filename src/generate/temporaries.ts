/** What killed processes leave: files under temporary names (see io/atomic.ts). */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { remove } from '../io/atomic.js';
import { listFolder } from './manifest.js';

/** A temporary file that nobody has written to for so long was left by a process that is gone. Milliseconds. */
const ABANDONED = 600_000;

/** Removes the temporary files of a folder that `whose` says are ours, and those of others that are old. */
export async function clearTemporaries(
  folder: string,
  whose: (name: string) => 'ours' | "another's" | undefined,
): Promise<void> {
  for (const name of await listFolder(folder)) {
    const owner = whose(name);
    if (owner === undefined) continue;
    const path = join(folder, name);
    if (owner === 'ours' || (await isOld(path))) await remove(path);
  }
}

async function isOld(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info !== undefined && Date.now() - info.mtimeMs > ABANDONED;
}
