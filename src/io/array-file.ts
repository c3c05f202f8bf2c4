/**
 * One u8 array of any length as a file for other programs: NumPy's .npz (`arr_0`, uncompressed, with optional labels in `arr_1`,
 * like improved-diffusion's) or .safetensors (one tensor, `images`). Written from a stream, atomically; the same array
 * gives the same bytes.
 * Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, and see safetensors.ts.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Zip, ZipPassThrough } from 'fflate';
import { writeAtomically, writeFully } from './atomic.js';
import { npyHeader } from './npy.js';

export type ArrayFormat = 'npz' | 'safetensors';

/** Largest array of each format, in bytes: a zip without its 64-bit extension ends at 4 GiB. */
export const LARGEST_ARRAY: Readonly<Record<ArrayFormat, number>> = {
  npz: 2 ** 32 - 2 ** 16,
  safetensors: Number.MAX_SAFE_INTEGER,
};

/** Bytes of a label: an int64, NumPy's default. */
export const LABEL_BYTES = 8;

/** Labels of an array's images; only .npz supports them. */
export interface Labels {
  readonly count: number;
  of(image: number): number;
}

/**
 * Writes the array whose elements `source` yields in row-major order. Resolves to the file's SHA-256.
 * @throws RunError if it cannot be written
 */
export async function writeArray(
  path: string,
  format: ArrayFormat,
  shape: readonly number[],
  source: AsyncIterable<Uint8Array>,
  labels: Labels | null = null,
): Promise<string> {
  const hash = createHash('sha256');
  await writeAtomically(path, async (file) => {
    const write = async (bytes: Uint8Array) => {
      hash.update(bytes);
      await writeFully(file, bytes);
    };
    if (format === 'npz') {
      const images = { name: 'arr_0', dtype: '|u1', shape, source };
      await writeZip(write, [images, ...(labels ? [labelsEntry(labels)] : [])]);
    } else {
      await write(safetensorsHeader(shape));
      for await (const chunk of source) await write(chunk);
    }
  });
  return hash.digest('hex');
}

/** The offset of the array in a file of `writeArray`; arbitrary if the file is damaged. */
export async function arrayStart(file: FileHandle, format: ArrayFormat): Promise<number> {
  const head = Buffer.alloc(64);
  await file.read(head, 0, head.length, 0);
  if (format === 'safetensors') return 8 + head.readUInt32LE(0);
  const npy = 30 + Math.min(20, head.readUInt16LE(26) + head.readUInt16LE(28));
  return npy + 10 + head.readUInt16LE(npy + 8);
}

/** An array of a .npz: its bytes in row-major order. */
export interface NpzEntry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly source: AsyncIterable<Uint8Array>;
}

/** Writes several arrays as one .npz, uncompressed. @throws RunError if it cannot be written */
export async function writeNpz(path: string, entries: readonly NpzEntry[]): Promise<void> {
  await writeAtomically(path, (file) => writeZip((bytes) => writeFully(file, bytes), entries));
}

/** Labels to assemble at a time. */
const LABELS = 1 << 16;

function labelsEntry(labels: Labels): NpzEntry {
  return { name: 'arr_1', dtype: '<i8', shape: [labels.count], source: labelChunks(labels) };
}

async function* labelChunks({ count, of }: Labels): AsyncGenerator<Uint8Array> {
  for (let first = 0; first < count; first += LABELS) {
    const chunk = Buffer.alloc(LABEL_BYTES * Math.min(LABELS, count - first));
    for (let i = 0; i * LABEL_BYTES < chunk.length; i++)
      chunk.writeBigInt64LE(BigInt(of(first + i)), i * LABEL_BYTES);
    yield chunk;
  }
}

async function writeZip(
  write: (bytes: Uint8Array) => Promise<void>,
  entries: readonly NpzEntry[],
): Promise<void> {
  const ready: Uint8Array[] = [];
  const zip = new Zip((error, chunk) => {
    if (error) throw error;
    ready.push(chunk);
  });
  const flush = async () => {
    for (const chunk of ready.splice(0)) await write(chunk);
  };
  for (const { name, shape, dtype, source } of entries) {
    const entry = new ZipPassThrough(`${name}.npy`);
    entry.mtime = new Date(1980, 0, 1); // A fixed time, so that the same array gives the same file.
    zip.add(entry);
    entry.push(npyHeader(shape, dtype));
    for await (const chunk of source) {
      entry.push(chunk);
      await flush();
    }
    entry.push(new Uint8Array(0), true);
  }
  zip.end();
  await flush();
}

function safetensorsHeader(shape: readonly number[]): Uint8Array {
  const bytes = shape.reduce((a, b) => a * b, 1);
  const json = JSON.stringify({ images: { dtype: 'U8', shape, data_offsets: [0, bytes] } });
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.write(json, 8);
  return header;
}
