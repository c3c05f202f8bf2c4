/** What killed processes leave under temporary names is removed by the next one that holds the lock on their files. */
import type { Dirent } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asRunError, systemCode } from './atomic.js';
import { baseOfTemporary } from './temporary.js';

/**
 * Removes temporary files of a folder, which need not exist. The caller holds the lock on what they are of.
 * @param isOurs of which files, by name
 * @throws RunError when one cannot be removed
 */
export async function removeTemporaries(
  folder: string,
  isOurs: (base: string) => boolean,
): Promise<void> {
  for (const entry of await list(folder)) {
    const base = baseOfTemporary(entry.name);
    if (base === undefined || !entry.isFile() || !isOurs(base)) continue;
    const path = join(folder, entry.name);
    await rm(path, { force: true }).catch((error: unknown) => {
      throw asRunError(path, error);
    });
  }
}

async function list(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || systemCode(error) === 'ENOTDIR') return [];
    throw asRunError(folder, error);
  }
}
