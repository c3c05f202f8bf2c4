/**
 * NumPy's .npz: a zip of arrays, each stored (`np.savez`) or deflated (`np.savez_compressed`). It is treated as
 * hostile: entries are checked against the file and their own headers before anything is read.
 */

import { Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import yauzl from 'yauzl';
import { UsageError } from '../errors.js';
import { systemReason } from './atomic.js';
import { type InputFile, readFully } from './input-file.js';
import { show } from './json.js';
import { NPY_HEAD, type Npy, npyBytes, parseNpy } from './npy.js';
import { listEntries, type Place, placeOf, ZipReader } from './zip-reader.js';

/** An array of a zip whose header has been read. */
export interface NpzArray extends Npy {
  /** For messages: file and array. */
  readonly where: string;
  /** Offset of the array's data in the file; null if they are deflated. */
  readonly at: number | null;
  /** Its bytes without the header, piece by piece, at most `bytes`. Throws a UsageError if the entry's checksum does not match. */
  read(bytes: number): AsyncGenerator<Uint8Array>;
}

/** The arrays of a file by name, without `.npy`. */
export interface Npz {
  readonly names: readonly string[];
  /** @throws UsageError for an entry that is damaged, encrypted, or not an array */
  open(name: string, types: readonly string[]): Promise<NpzArray>;
}

/** Number of array names that a message lists. */
const LISTED = 8;

/** Bytes per read. */
const CHUNK = 1 << 20;

const DEFLATE = 8;

/** Bytes that a byte of deflated data can become, at most (https://zlib.net/zlib_tech.html). */
const MOST_DEFLATED = 1032;

/** The arrays of an open file. @throws UsageError if it is not a zip, or damaged */
export async function openNpz(file: InputFile): Promise<Npz> {
  const zip = await named(file, () =>
    yauzl.fromRandomAccessReaderPromise(new ZipReader(file), file.size, { autoClose: false }),
  );
  const entries = await named(file, () => listEntries(zip));
  const names = [...entries.keys()].flatMap((name) =>
    name.endsWith('.npy') ? [name.slice(0, -'.npy'.length)] : [],
  );
  if (names.length === 0)
    throw new UsageError(`${file.path}: expected a .npz with arrays (NAME.npy), got none`);
  return {
    names,
    open: (name, types) =>
      named(file, async () => {
        const entry = entries.get(`${name}.npy`);
        if (!entry)
          throw new UsageError(
            `${file.path}: expected an array named ${name}, got ${namesText(names)}`,
          );
        return openEntry(file, zip, entry, name, types);
      }),
  };
}

/** A list of names for a message, truncated. */
export const namesText = (names: readonly string[]): string =>
  `${names.slice(0, LISTED).map(show).join(', ')}${names.length > LISTED ? ', …' : ''}`;

async function openEntry(
  file: InputFile,
  zip: yauzl.ZipFile,
  entry: yauzl.Entry,
  name: string,
  types: readonly string[],
): Promise<NpzArray> {
  const where = `${file.path}: ${show(name)}`;
  const deflated = entry.compressionMethod === DEFLATE;
  if (entry.isEncrypted() || !(deflated || entry.compressionMethod === 0))
    throw new UsageError(
      `${where}: expected an entry that is stored or deflated, got one that is encrypted or of another compression`,
    );
  const place = await placeOf(zip, entry);
  if (place.at + place.bytes > file.size)
    throw new UsageError(`${where}: expected an entry within the file, got one that is cut off`);
  const head = await start(deflated ? inflated(file, place, where) : pieces(file, place));
  const npy = parseNpy(head, where);
  const expected = npy.start + npyBytes(npy, types, where);
  if (entry.uncompressedSize !== expected)
    throw new UsageError(
      `${where}: expected ${expected} bytes for its shape (${npy.shape.join(', ')}), got ${entry.uncompressedSize}`,
    );
  if (deflated && expected > MOST_DEFLATED * (place.bytes + 1))
    throw new UsageError(
      `${where}: expected what ${place.bytes} deflated bytes can hold, got ${expected} bytes`,
    );
  const at = deflated ? null : place.at + npy.start;
  const content = () => (deflated ? inflated(file, place, where) : pieces(file, place));
  const read = (bytes: number) =>
    exactly(bytes, skip(npy.start, checked(content(), entry.crc32, where)), where);
  return { ...npy, where, at, read };
}

/** The first bytes, enough for a header. */
async function start(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of source) {
    parts.push(chunk.slice(0, NPY_HEAD - length));
    length += parts.at(-1)!.length;
    if (length >= NPY_HEAD) break;
  }
  return Buffer.concat(parts);
}

/** The bytes of an entry. The pieces share one buffer. */
async function* pieces(file: InputFile, { at, bytes }: Place): AsyncGenerator<Uint8Array> {
  // No Buffer, whose `slice` does not copy.
  const buffer = new Uint8Array(Math.min(CHUNK, bytes));
  for (let done = 0; done < bytes; done += buffer.length) {
    const piece = buffer.subarray(0, Math.min(buffer.length, bytes - done));
    await readFully(file.handle, piece, at + done, file.path);
    yield piece;
  }
}

async function* inflated(file: InputFile, place: Place, where: string): AsyncGenerator<Uint8Array> {
  // The inflater keeps its input: pieces that share a buffer would be overwritten.
  const source = Readable.from(copies(pieces(file, place)));
  const inflater = source.pipe(createInflateRaw());
  source.on('error', (error) => inflater.destroy(error));
  try {
    for await (const chunk of inflater as AsyncIterable<Uint8Array>) yield chunk;
  } catch (error) {
    if (error instanceof UsageError || systemReason(error) !== undefined) throw error;
    throw new UsageError(
      `${where}: the deflated data cannot be unpacked: ${(error as Error).message}`,
    );
  } finally {
    source.destroy();
    inflater.destroy();
  }
}

async function* copies(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of source) yield piece.slice();
}

/** @throws UsageError after the last piece if the CRC-32 of all is another, as NumPy does */
async function* checked(
  source: AsyncIterable<Uint8Array>,
  expected: number,
  where: string,
): AsyncGenerator<Uint8Array> {
  let crc = 0;
  for await (const piece of source) {
    crc = crc32(piece, crc);
    yield piece;
  }
  if (crc !== expected)
    throw new UsageError(
      `${where}: damaged: expected data of CRC-32 ${hex(expected)}, got ${hex(crc)}`,
    );
}

const hex = (crc: number): string => crc.toString(16).padStart(8, '0');

async function* skip(bytes: number, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const piece of source) {
    const skipped = Math.min(left, piece.length);
    left -= skipped;
    if (skipped < piece.length) yield piece.subarray(skipped);
  }
}

/** @throws UsageError if the source ends early, or continues after `bytes` bytes */
async function* exactly(
  bytes: number,
  source: AsyncIterable<Uint8Array>,
  where: string,
): AsyncGenerator<Uint8Array> {
  let got = 0;
  for await (const piece of source) {
    got += piece.length;
    if (got > bytes) break;
    yield piece;
  }
  if (got !== bytes)
    throw new UsageError(
      `${where}: expected ${bytes} bytes of data, got ${got < bytes ? got : 'more'}`,
    );
}

/** Adds the file's name to errors of yauzl. */
async function named<T>(file: InputFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UsageError || systemReason(error) !== undefined) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError(`${file.path}: expected a .npz, got a damaged zip: ${show(why)}`);
  }
}
