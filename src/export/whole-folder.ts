/** Folders that are there whole or not at all. */
import { mkdir, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { asRunError, syncFolder, systemCode } from '../io/atomic.js';
import { makeFolders } from '../io/make-folders.js';
import { moveOver } from '../io/rename.js';
import { isFile, isFolder } from '../io/run.js';

/** @throws UsageError for a folder that is there */
export async function requireNew(out: string): Promise<void> {
  if ((await isFolder(out)) || (await isFile(out)))
    throw new UsageError(`--out ${out}: expected a new folder, got one that is there`);
}

/** As files hold it. */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

const IS_THERE: ReadonlySet<string | undefined> = new Set(['EEXIST', 'ENOTEMPTY']);

/** Makes a folder under another name, which takes its own when all is in it. */
export async function wholeFolder(
  out: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const above = dirname(resolve(out));
  const temporary = join(above, `.${basename(resolve(out))}.tmp`);
  try {
    await makeFolders(above);
    // What a crash left of another try.
    await rm(temporary, { recursive: true, force: true });
    await mkdir(temporary);
    await fill(temporary);
    await moveOver(temporary, out);
    await syncFolder(above);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    // Windows says of a folder that is there what it says of one that may not be touched.
    if (IS_THERE.has(systemCode(error)) || (systemCode(error) === 'EPERM' && (await isFolder(out))))
      throw new UsageError(`--out ${out}: expected a new folder, got one that is there`);
    throw asRunError(out, error);
  }
}
