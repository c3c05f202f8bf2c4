/**
 * One u8 array of any length as a file that others read: NumPy's .npz (one array, `arr_0`, stored without
 * compression) or .safetensors (one tensor, `images`). Written from a stream, whole or not at all; the same array
 * gives the same bytes.
 * Formats: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, and see safetensors.ts.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { Zip, ZipPassThrough } from 'fflate';
import { writeAtomically, writeFully } from './atomic.js';

export type ArrayFormat = 'npz' | 'safetensors';

/** Bytes of an array that fit a format: a zip without its 64-bit extension ends at 4 GiB. */
export const LARGEST_ARRAY: Readonly<Record<ArrayFormat, number>> = {
  npz: 2 ** 32 - 2 ** 16,
  safetensors: Number.MAX_SAFE_INTEGER,
};

/**
 * Writes the array whose elements `source` yields in row-major order. Resolves to the file's SHA-256.
 * @throws RunError when it cannot be written
 */
export async function writeArray(
  path: string,
  format: ArrayFormat,
  shape: readonly number[],
  source: AsyncIterable<Uint8Array>,
): Promise<string> {
  const hash = createHash('sha256');
  await writeAtomically(path, async (file) => {
    const write = async (bytes: Uint8Array) => {
      hash.update(bytes);
      await writeFully(file, bytes);
    };
    if (format === 'npz') await writeZip(write, npyHeader(shape), source);
    else {
      await write(safetensorsHeader(shape));
      for await (const chunk of source) await write(chunk);
    }
  });
  return hash.digest('hex');
}

/** The byte at which the array begins in a file of `writeArray`; no particular one in a file that is damaged. */
export async function arrayStart(file: FileHandle, format: ArrayFormat): Promise<number> {
  const head = Buffer.alloc(64);
  await file.read(head, 0, head.length, 0);
  if (format === 'safetensors') return 8 + head.readUInt32LE(0);
  const npy = 30 + Math.min(20, head.readUInt16LE(26) + head.readUInt16LE(28));
  return npy + 10 + head.readUInt16LE(npy + 8);
}

async function writeZip(
  write: (bytes: Uint8Array) => Promise<void>,
  header: Uint8Array,
  source: AsyncIterable<Uint8Array>,
): Promise<void> {
  const ready: Uint8Array[] = [];
  const zip = new Zip((error, chunk) => {
    if (error) throw error;
    ready.push(chunk);
  });
  const flush = async () => {
    for (const chunk of ready.splice(0)) await write(chunk);
  };
  const entry = new ZipPassThrough('arr_0.npy');
  entry.mtime = new Date(1980, 0, 1); // The clock has no place in a file that is the same each time.
  zip.add(entry);
  entry.push(header);
  for await (const chunk of source) {
    entry.push(chunk);
    await flush();
  }
  entry.push(new Uint8Array(0), true);
  zip.end();
  await flush();
}

/** Version 1.0: magic, version, u16 length, a Python literal padded so that the data begins at a multiple of 64. */
function npyHeader(shape: readonly number[]): Uint8Array {
  const literal = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const length = Math.ceil((10 + literal.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + length, ' ');
  header.write('\x93NUMPY\x01\x00', 0, 'latin1');
  header.writeUInt16LE(length, 8);
  header.write(literal, 10, 'latin1');
  header[header.length - 1] = 10;
  return header;
}

function safetensorsHeader(shape: readonly number[]): Uint8Array {
  const bytes = shape.reduce((a, b) => a * b, 1);
  const json = JSON.stringify({ images: { dtype: 'U8', shape, data_offsets: [0, bytes] } });
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  header.write(json, 8);
  return header;
}
