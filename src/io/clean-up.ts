/** Removes files and folders that killed processes left under temporary names; done by the next process that holds the lock on their files. */
import type { Dirent } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { asRunError, systemCode } from './atomic.js';
import { PATIENTLY } from './rename.js';
import { baseOfTemporary } from './temporary.js';

/**
 * Removes temporary files of a folder, which need not exist, or temporary folders in it. The caller holds the lock on what they belong to.
 * @param isOurs selects them by the name that they were to have
 * @param kind which to remove; default files
 * @throws RunError if one cannot be removed
 */
export async function removeTemporaries(
  folder: string,
  isOurs: (base: string) => boolean,
  kind: 'files' | 'folders' = 'files',
): Promise<void> {
  for (const entry of await list(folder)) {
    const base = baseOfTemporary(entry.name);
    const isKind = kind === 'files' ? entry.isFile() : entry.isDirectory();
    if (base === undefined || !isKind || !isOurs(base)) continue;
    const path = join(folder, entry.name);
    await rm(path, { ...PATIENTLY, force: true }).catch((error: unknown) => {
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
