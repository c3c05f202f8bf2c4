/**
 * Reading files that should be plain, and mostly small. A folder that somebody else filled may hold anything under their
 * names: a pipe, which waits for its writer for ever, a device, or a file without end.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UsageError } from '../errors.js';

/** With it a pipe opens at once; Windows has no such flag, and no pipes among its files. */
export const NONBLOCK = constants.O_NONBLOCK ?? 0;

/** Bytes that are read at a time. */
const CHUNK = 1 << 16;

/**
 * Opens a file for reading that must be a plain one.
 * @throws UsageError naming what is there instead; the system's error when it cannot be opened
 */
export async function openPlain(path: string): Promise<FileHandle> {
  // Before it is opened: that alone may wait, or set a device going.
  checkPlain(path, await stat(path));
  const file = await open(path, constants.O_RDONLY | NONBLOCK);
  try {
    checkPlain(path, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** @throws UsageError unless it is a plain file */
export function checkPlain(path: string, stats: Stats): void {
  if (!stats.isFile()) throw new UsageError(`${path}: expected a file, got ${kindOf(stats)}`);
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
}

/**
 * A plain file as UTF-8 text.
 * @param longest bytes it may have
 * @throws UsageError for one that is longer, or no plain file; the system's error when it cannot be read
 */
export async function readSmallFile(path: string, longest: number): Promise<string> {
  const file = await openPlain(path);
  try {
    // Files of the system itself say that they are empty.
    const size = (await file.stat()).size || longest;
    // One byte more than allowed shows a file that is longer, or that grows.
    const bytes = Buffer.alloc(Math.min(size, longest) + 1);
    let length = 0;
    for (let got = 1; got > 0 && length < bytes.length; length += got)
      got = (await file.read(bytes, length, bytes.length - length, length)).bytesRead;
    if (length > longest)
      throw new UsageError(
        `${path}: expected a file of at most ${longest} bytes, got a longer one`,
      );
    return bytes.toString('utf8', 0, length);
  } finally {
    await file.close();
  }
}

/**
 * The lines of a plain file of any length, in little memory.
 * @param longest bytes that a line may have
 * @throws UsageError for a line that is longer, which may have no end; as `openPlain` does
 */
export async function* readLines(path: string, longest: number): AsyncGenerator<string> {
  const file = await openPlain(path);
  try {
    const chunk = Buffer.alloc(CHUNK);
    let rest = Buffer.alloc(0);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK, null);
      if (bytesRead === 0) break;
      let at = 0;
      for (let end = at; ; at = end + 1) {
        end = chunk.subarray(0, bytesRead).indexOf(NEWLINE, at);
        rest = Buffer.concat([rest, chunk.subarray(at, end < 0 ? bytesRead : end)]);
        if (rest.length > longest)
          throw new UsageError(
            `${path}: expected lines of at most ${longest} bytes, got a longer one`,
          );
        if (end < 0) break;
        yield rest.toString('utf8');
        rest = Buffer.alloc(0);
      }
    }
    if (rest.length > 0) yield rest.toString('utf8');
  } finally {
    await file.close();
  }
}

const NEWLINE = 0x0a;
