/**
 * Safetensors files: named tensors behind a JSON header, interchangeable with PyTorch's. Reading trusts
 * nothing in the file; writing is atomic and streams each tensor's own memory.
 *
 * Layout: u64 (little-endian) length of the header, the header in JSON padded with spaces, the data.
 * Format: https://github.com/huggingface/safetensors
 */
import type { FileHandle } from 'node:fs/promises';
import { ShapeError, UsageError } from '../errors.js';
import { elements, type StateDict, type Tensor } from '../network/state.js';
import { writeAtomically, writeFully } from './atomic.js';
import { describeKind, fileKind, KIND_BYTES } from './file-kind.js';
import { type InputFile, readFully, withInputFile } from './input-file.js';
import { show } from './json.js';
import { type Header, inFileOrder, LONGEST_HEADER, parseHeader } from './safetensors-header.js';
import { bytesOf, readTensor } from './tensor-data.js';
import type { TensorFile } from './tensor-file.js';
import { convertLine } from './torch/convert-line.js';
import { isTorchFile } from './torch/is-torch-file.js';

/** The tensors of a file, in the order of its header, and its `__metadata__`. */
export interface Safetensors {
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads every tensor of a file; floats become F32 (F64 is rounded), all else I64.
 * @throws UsageError naming file, tensor, expected and got, for anything that is not a sound safetensors file.
 */
export function readSafetensors(path: string): Promise<Safetensors> {
  return withFile(path, async (file, { tensors: infos, metadata }, dataStart) => {
    const read = new Map<string, Tensor>();
    for (const [name, info] of inFileOrder(infos)) {
      const where = `${path}: tensor ${show(name)}`;
      read.set(name, await readTensor(file, info, dataStart + info.begin, where));
    }
    return { tensors: new Map([...infos.keys()].map((name) => [name, read.get(name)!])), metadata };
  });
}

/** Names, dtypes, shapes and metadata alone; the data is checked to be there but not read. @throws UsageError */
export function readHeader(path: string): Promise<Header> {
  return withFile(path, async (_, header) => header);
}

/**
 * Writes a state dict. The header keeps its order; the data holds I64 first, so that every tensor is aligned.
 * @throws ShapeError when a tensor's data is not its shape's; RunError when the file cannot be written.
 */
export async function writeSafetensors(
  path: string,
  tensors: StateDict,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  await writeAtomically(path, (file) => writeTensors(file, tensors, metadata));
}

/** Writes header and data to an open file, for callers that arrange for atomicity themselves. */
export async function writeTensors(
  file: FileHandle,
  tensors: StateDict,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const ordered = [...tensors].sort(
    ([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT,
  );
  await writeFully(file, encodeHeader(tensors, ordered, metadata));
  for (const [, { data }] of ordered) await writeFully(file, bytesOf(data));
}

/** Length and header; padded so that the data begins at a multiple of 8. */
function encodeHeader(
  tensors: StateDict,
  ordered: readonly [string, Tensor][],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const offsets = new Map<string, [number, number]>();
  let at = 0;
  for (const [name, { shape, data }] of ordered) {
    if (elements(shape) !== data.length)
      throw new ShapeError(
        `${name}: shape ${shape} has ${elements(shape)} elements, data ${data.length}`,
      );
    offsets.set(name, [at, at + data.byteLength]);
    at += data.byteLength;
  }
  const entries = [...tensors].map(([name, { dtype, shape }]): [string, unknown] => [
    name,
    { dtype, shape, data_offsets: offsets.get(name) },
  ]);
  const start = Object.keys(metadata).length ? [['__metadata__', metadata] as const] : [];
  const json = Buffer.from(JSON.stringify(Object.fromEntries([...start, ...entries])));
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8));
  json.copy(header, 8);
  return header;
}

/** An open safetensors file as named tensors. @throws UsageError as `readSafetensors` does */
export async function openSafetensors(file: InputFile): Promise<TensorFile> {
  const { header, dataStart } = await loadHeader(file);
  const read = (name: string): Promise<Tensor> => {
    const info = header.tensors.get(name)!;
    const where = `${file.path}: tensor ${show(name)}`;
    return readTensor(file.handle, info, dataStart + info.begin, where);
  };
  return { entries: header.tensors, metadata: header.metadata, read };
}

/** Opens a file, checks its header, and closes it after `use`. */
async function withFile<T>(
  path: string,
  use: (file: FileHandle, header: Header, dataStart: number) => Promise<T>,
): Promise<T> {
  return withInputFile(path, 'a .safetensors file', async (file) => {
    const { header, dataStart } = await loadHeader(file);
    return use(file.handle, header, dataStart);
  });
}

async function loadHeader({
  path,
  handle,
  size,
}: InputFile): Promise<{ header: Header; dataStart: number }> {
  const start = Buffer.alloc(8);
  await handle.read(start, 0, 8, 0);
  if (isTorchFile(start))
    throw new UsageError(
      `${path}: expected a .safetensors file, got one of PyTorch's own format. ${convertLine(path)}`,
    );
  if (size < 8)
    throw new UsageError(`${path}: expected a safetensors header, got a file of ${size} bytes`);
  const length = start.readBigUInt64LE();
  const longest = Math.min(LONGEST_HEADER, size - 8);
  if (length > BigInt(longest)) {
    const kind = fileKind(await beginning(handle, path, size));
    if (kind !== undefined)
      throw new UsageError(`${path}: expected a .safetensors file, got ${describeKind(kind)}`);
    throw new UsageError(
      `${path}: expected a safetensors header of at most ${longest} bytes, got a length of ${length}`,
    );
  }
  const bytes = Buffer.alloc(Number(length));
  await readFully(handle, bytes, 8, path);
  const dataStart = 8 + bytes.length;
  return { header: parseHeader(bytes, size - dataStart, path), dataStart };
}

/** Enough of a file to tell what it is. */
async function beginning(file: FileHandle, path: string, size: number): Promise<Buffer> {
  const bytes = Buffer.alloc(Math.min(size, KIND_BYTES));
  await readFully(file, bytes, 0, path);
  return bytes;
}
