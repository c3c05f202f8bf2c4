/** Detects changed data: a hash of their listing, for a resumed run to compare. */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { fsPath, type RawPath } from '../io/raw-path.js';
import { readAt } from './read-at.js';

/** A file of a listing: its name relative to the listed folder, and its path. */
export interface ListedFile {
  readonly name: string;
  readonly path: RawPath;
}

/** Files whose size is queried at once. */
const AT_A_TIME = 256;

/** A hash of the names and sizes of files in order. A file that has since disappeared has no size. */
export async function fingerprintOf(files: readonly ListedFile[]): Promise<string> {
  const hash = createHash('sha256');
  for (let first = 0; first < files.length; first += AT_A_TIME) {
    const some = files.slice(first, first + AT_A_TIME);
    const sizes = await Promise.all(some.map(({ path }) => sizeOf(path)));
    for (const [i, { name }] of some.entries()) hash.update(`${name}\0${sizes[i]}\n`);
  }
  return hash.digest('hex');
}

const sizeOf = (path: RawPath): Promise<number> =>
  stat(fsPath(path)).then(
    ({ size }) => size,
    () => -1,
  );

/** Bytes of each sampled part of a file. */
const PART = 1 << 16;

/** A hash of a file's size and its beginning, middle and end: files of raw pixels often have the same size. */
export async function fingerprintOfParts(paths: readonly RawPath[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) {
    const size = await sizeOf(path);
    hash.update(`${size}\n`);
    for (const at of new Set([0, Math.floor(size / 2), Math.max(0, size - PART)]))
      hash.update(readAt(path, at, PART));
  }
  return hash.digest('hex');
}
