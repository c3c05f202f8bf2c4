/** Folders of caches: files that can be made or fetched again, and are removed when nobody has used them for long. */
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asRunError, remove } from './atomic.js';
import { makeFolders } from './make-folders.js';
import { baseOfTemporary, temporaryPath } from './temporary.js';

const DAY = 86_400_000;

/** Days after which a file that was being written, and has not grown since, belongs to nobody. */
const WRITTEN_DAYS = 1;

/**
 * Makes a cache's folder, and removes files that were last modified more than `days` days ago: whoever uses one sets its time.
 * @throws RunError if the folder cannot be written
 */
export async function tidyFolder(folder: string, days: number): Promise<void> {
  const probe = temporaryPath(join(folder, 'new'));
  try {
    await makeFolders(folder);
    await writeFile(probe, '');
    await remove(probe);
  } catch (error) {
    throw asRunError(folder, error);
  }
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const most = baseOfTemporary(name) === undefined ? days : Math.min(days, WRITTEN_DAYS);
    const found = await stat(path).catch(() => undefined);
    // Another process may be removing it, or on Windows have it open.
    if (found?.isFile() && Date.now() - found.mtimeMs > most * DAY)
      await remove(path).catch(() => undefined);
  }
}
