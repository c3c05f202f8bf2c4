/**
 * Files that are either complete or absent: write under a temporary name in the same folder, sync, rename.
 * A crash at any byte leaves what was there before; a failure removes the temporary file.
 */
import { fsync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { RunError } from '../errors.js';
import { moveOver } from './rename.js';
import { temporaryPath } from './temporary.js';

/**
 * Writes `path` atomically; `fill` writes the content through an open file. `owner`, a word, becomes part of the temporary
 * name, for clean-ups that need to know whose it is.
 * @throws RunError with the path and the system's reason if it cannot be written; other errors of `fill` pass through
 */
export async function writeAtomically(
  path: string,
  fill: (file: FileHandle) => Promise<void>,
  owner?: string,
): Promise<void> {
  const temporary = temporaryPath(path, owner);
  try {
    await writeSynced(temporary, fill);
    await moveOver(temporary, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw asRunError(path, error);
  }
}

/** Writes text or bytes to `path` atomically. @throws RunError like `writeAtomically` */
export function writeFileAtomically(
  path: string,
  content: string | Uint8Array,
  owner?: string,
): Promise<void> {
  return writeAtomically(path, (file) => file.writeFile(content), owner);
}

/** Removes a file that may not exist. @throws RunError if it cannot be removed */
export async function remove(path: string): Promise<void> {
  await rm(path, { force: true }).catch((error: unknown) => {
    throw asRunError(path, error);
  });
}

/** Creates `path`, which must not exist, fills it and syncs it to disk. Not atomic on its own. */
export async function writeSynced(
  path: string,
  fill: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await fill(file);
    await sync(file);
  } finally {
    await file.close();
  }
}

/** Forces a file to disk. By its number: the handles of Yarn's Plug'n'Play, which replace Node's, cannot. */
export const sync = ({ fd }: Pick<FileHandle, 'fd'>): Promise<void> => promisify(fsync)(fd);

/** How folders are opened and forced to disk, for tests. */
export interface Folders {
  readonly platform: NodeJS.Platform;
  open(path: string): Promise<Pick<FileHandle, 'fd' | 'close'>>;
  readonly sync: typeof sync;
}

const HERE: Folders = { platform: process.platform, open: (path) => open(path, 'r'), sync };

/** What file systems say that force no folders to disk, as some of other machines: there is nothing to be done. */
const CANNOT: ReadonlySet<string | undefined> = new Set(['EINVAL', 'ENOSYS', 'ENOTSUP']);

/** Syncs a folder's entries (names created, renamed, removed) to disk, if the system can. */
export async function syncFolder(path: string, system = HERE): Promise<void> {
  if (system.platform === 'win32') return; // Windows cannot open folders; its renames are journalled.
  const folder = await system.open(path);
  try {
    await system.sync(folder);
  } catch (error) {
    if (!CANNOT.has(systemCode(error))) throw error;
  } finally {
    await folder.close();
  }
}

/**
 * Writes all the bytes: a single write may stop short, or exceed the limit of a system call.
 * @param place in the file; default behind what was written before
 */
export async function writeFully(
  file: FileHandle,
  bytes: Uint8Array,
  place: number | null = null,
): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(bytes.length - at, LARGEST_CALL);
    const here = place === null ? null : place + at;
    at += (await file.write(bytes, at, length, here)).bytesWritten;
  }
}

/** Bytes per system call: Linux takes less than 2 GiB, and a call blocks a pool thread. */
export const LARGEST_CALL = 64 << 20;

/** A system error as a RunError: `cannot write <path>: the disk is full (ENOSPC)`; other errors unchanged. */
export function asRunError(path: string, error: unknown): unknown {
  const reason = systemReason(error);
  if (reason === undefined) return error;
  return new RunError(`cannot write ${path}: ${reason}`, { cause: error });
}

/** A file system error as text with its code, or undefined if it is not a system error. */
export function systemReason(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return undefined;
  const code = String(error.code);
  return `${REASONS.get(code) ?? error.message} (${code})`;
}

/** The code of a system error (`ENOENT`), or undefined. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EROFS', 'the file system is read-only'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is exceeded'],
  ['EFBIG', 'the file is larger than the system allows'],
  ['EIO', 'the disk failed'],
  ['ENOENT', 'no such file or folder'],
  ['ENOTDIR', 'part of the path is a file, not a folder'],
  ['EEXIST', 'it already exists'],
  ['EISDIR', 'it is a folder'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['ELOOP', 'its symbolic links form a loop'],
  ['EMFILE', 'too many open files'],
]);
