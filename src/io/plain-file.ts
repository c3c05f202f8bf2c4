/**
 * Reads files that should be plain, and mostly small. In a folder that somebody else filled, any name may be
 * a pipe, which waits for its writer forever, a device, or an endless file.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { UsageError } from '../errors.js';

/** With it a pipe opens at once; Windows has no such flag, and no named pipes in its file system. */
export const NONBLOCK = constants.O_NONBLOCK ?? 0;

/** Bytes per read. */
const CHUNK = 1 << 16;

/**
 * Opens a file for reading, which must be a plain one.
 * @throws UsageError naming what it is instead; the system's error if it cannot be opened
 */
export async function openPlain(path: string): Promise<FileHandle> {
  // Before opening, which may wait, or start a device.
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
 * Reads a plain file as UTF-8 text.
 * @param longest its size limit in bytes
 * @throws UsageError for a longer one, or if it is not a plain file; the system's error if it cannot be read
 */
export async function readSmallFile(path: string, longest: number): Promise<string> {
  const file = await openPlain(path);
  try {
    // Virtual files of the system report a size of 0.
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
 * @param longest size limit of a line in bytes
 * @throws UsageError for a longer line, which may be endless; otherwise like `openPlain`
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
