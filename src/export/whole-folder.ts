/** Folders that are written atomically. */
import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { asRunError, syncFolder, systemCode } from '../io/atomic.js';
import { makeFolders } from '../io/make-folders.js';
import { moveOver } from '../io/rename.js';
import { isFile, isFolder } from '../io/run.js';

/** @throws UsageError for an existing folder */
export async function requireNew(out: string): Promise<void> {
  if ((await isFolder(out)) || (await isFile(out)))
    throw new UsageError(`--out ${out}: expected a new folder, got one that exists`);
}

/** JSON as written to files. */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const IS_THERE: ReadonlySet<string | undefined> = new Set(['EEXIST', 'ENOTEMPTY']);

/** Makes a folder under a temporary name, and renames it when it is complete. */
export async function wholeFolder(
  out: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const above = dirname(resolve(out));
  const temporary = join(above, `.${basename(resolve(out))}.tmp`);
  try {
    await makeFolders(above);
    // Left by a crash of an earlier attempt.
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    await fill(temporary);
    await moveOver(temporary, out);
    await syncFolder(above);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    // Windows says of a folder that is there what it says of one that may not be touched.
    if (IS_THERE.has(systemCode(error)) || (systemCode(error) === 'EPERM' && (await isFolder(out))))
      throw new UsageError(`--out ${out}: expected a new folder, got one that exists`);
    throw asRunError(out, error);
  }
}
