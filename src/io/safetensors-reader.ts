/**
 * Reads safetensors from a file or from memory: nothing in them is trusted, and nothing here needs Node.
 *
 * Layout: u64 (little-endian) length of the header, the header in JSON padded with spaces, the data.
 * Format: https://github.com/huggingface/safetensors
 */
import { UsageError } from '../errors.js';
import type { Tensor } from '../network/state.js';
import type { ByteSource } from './byte-source.js';
import { show } from './json.js';
import { type Header, LONGEST_HEADER, parseHeader } from './safetensors-header.js';
import { readTensor } from './tensor-data.js';
import type { TensorFile } from './tensor-file.js';

/** What a file is instead, as text; undefined if unknown. */
export type WhatElse = () => Promise<string | undefined>;

/** A checked header, and the offset of the data. */
export interface LoadedHeader {
  readonly header: Header;
  readonly dataStart: number;
}

/**
 * The tensors by name; only the header is read.
 * @throws UsageError with file, tensor, expected and got, for an invalid file
 */
export async function openTensors(file: ByteSource, whatElse?: WhatElse): Promise<TensorFile> {
  const loaded = await loadHeader(file, whatElse);
  const { tensors: entries, metadata } = loaded.header;
  return { entries, metadata, read: (name) => readNamed(file, loaded, name) };
}

/** The tensor with a name from the header. */
export function readNamed(
  file: ByteSource,
  { header, dataStart }: LoadedHeader,
  name: string,
): Promise<Tensor> {
  const info = header.tensors.get(name)!;
  const where = `${file.path}: tensor ${show(name)}`;
  return readTensor(file, info, dataStart + info.begin, where);
}

/** @throws UsageError for an invalid header, or one that does not match the size of the file */
export async function loadHeader(
  file: ByteSource,
  whatElse: WhatElse = async () => undefined,
): Promise<LoadedHeader> {
  const { path, size } = file;
  if (size < 8)
    throw new UsageError(`${path}: expected a safetensors header, got a file of ${size} bytes`);
  const start = new Uint8Array(8);
  await file.read(start, 0);
  const length = new DataView(start.buffer).getBigUint64(0, true);
  const longest = Math.min(LONGEST_HEADER, size - 8);
  if (length > BigInt(longest)) {
    const other = await whatElse();
    if (other !== undefined)
      throw new UsageError(`${path}: expected a .safetensors file, got ${other}`);
    throw new UsageError(
      `${path}: expected a safetensors header of at most ${longest} bytes, got a length of ${length}`,
    );
  }
  const bytes = new Uint8Array(Number(length));
  await file.read(bytes, 8);
  const dataStart = 8 + bytes.length;
  return { header: parseHeader(bytes, size - dataStart, path), dataStart };
}
