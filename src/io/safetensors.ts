/**
 * Safetensors files: named tensors after a JSON header, interchangeable with PyTorch's. Reading trusts
 * nothing in the file; writing is atomic and streams each tensor's own memory.
 *
 * Layout: u64 (little-endian) length of the header, the header in JSON padded with spaces, the data.
 * Format: https://github.com/huggingface/safetensors
 */
import type { FileHandle } from 'node:fs/promises';
import { ShapeError, UsageError } from '../errors.js';
import { elements, type StateDict, type Tensor } from '../network/state.js';
import { printable } from '../printable.js';
import { writeAtomically, writeFully } from './atomic.js';
import { describeKind, fileKind, KIND_BYTES } from './file-kind.js';
import { fitsHalf, floatToHalf } from './half.js';
import { type InputFile, withInputFile } from './input-file.js';
import { show } from './json.js';
import { requirePath } from './require-path.js';
import { type Header, inFileOrder } from './safetensors-header.js';
import { type LoadedHeader, loadHeader, openTensors, readNamed } from './safetensors-reader.js';
import { bytesOf } from './tensor-data.js';
import type { TensorFile } from './tensor-file.js';
import { convertLine } from './torch/convert-line.js';
import { isTorchFile } from './torch/is-torch-file.js';

/** The tensors of a file, in header order, and its `__metadata__`. */
export interface Safetensors {
  readonly tensors: Map<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor of half-precision numbers. */
interface F16Tensor {
  readonly dtype: 'F16';
  readonly shape: readonly number[];
  readonly data: Uint16Array;
}

/** Tensors to write: in Haze's types, or in half precision. */
type WrittenTensor = Tensor | F16Tensor;
export type WrittenTensors = ReadonlyMap<string, WrittenTensor>;

/** Converts floats to the nearest halves; a tensor with a number outside their range is left unchanged. */
export const inHalves = (tensors: StateDict): WrittenTensors =>
  new Map([...tensors].map(([name, tensor]) => [name, halved(tensor)]));

function halved(tensor: Tensor): WrittenTensor {
  const { dtype, shape, data } = tensor;
  if (dtype !== 'F32' || !data.every(fitsHalf)) return tensor;
  return { dtype: 'F16', shape, data: Uint16Array.from(data, floatToHalf) };
}

/**
 * Reads every tensor of a file; floats become F32 (F64 is rounded), all others I64.
 * @throws UsageError with file, tensor, expected and got, for an invalid safetensors file
 */
export async function readSafetensors(path: string): Promise<Safetensors> {
  requirePath('readSafetensors', path, 'a .safetensors file');
  return withFile(path, async (file, loaded) => {
    const { tensors: infos, metadata } = loaded.header;
    const read = new Map<string, Tensor>();
    for (const [name] of inFileOrder(infos)) read.set(name, await readNamed(file, loaded, name));
    return { tensors: new Map([...infos.keys()].map((name) => [name, read.get(name)!])), metadata };
  });
}

/** Only names, dtypes, shapes and metadata; the data must exist but are not read. @throws UsageError */
export function readHeader(path: string): Promise<Header> {
  return withFile(path, async (_, { header }) => header);
}

/**
 * Writes a state dict. The header keeps its order; the data have I64 first, so that every tensor is aligned.
 * @throws ShapeError if a tensor's data do not match its shape; UsageError for what is no map of tensors; RunError if the file cannot be
 *   written
 */
export async function writeSafetensors(
  path: string,
  tensors: WrittenTensors,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  requirePath('writeSafetensors', path, 'the path of a file');
  checkTensors('writeSafetensors', tensors);
  await writeAtomically(path, (file) => writeTensors(file, tensors, metadata));
}

/** The array that holds the numbers of a dtype. */
const ARRAYS = { F32: Float32Array, I64: BigInt64Array, F16: Uint16Array } satisfies Record<
  WrittenTensor['dtype'],
  unknown
>;

/** JavaScript programs have no type checks. @throws UsageError */
function checkTensors(where: string, tensors: unknown): void {
  if (!(tensors instanceof Map))
    throw new UsageError(`${where}: expected a Map of tensors by name, got ${show(tensors)}`);
  for (const [name, tensor] of tensors as Map<unknown, unknown>) {
    if (typeof name !== 'string' || name === '__metadata__' || name === '__proto__')
      throw new UsageError(`${where}: expected names of tensors, got ${show(name)}`);
    const { dtype, shape, data } = Object(tensor) as Partial<Record<keyof WrittenTensor, unknown>>;
    const at = `${where}: ${printable(name)}`;
    if (typeof dtype !== 'string' || !Object.hasOwn(ARRAYS, dtype))
      throw new UsageError(
        `${at}: expected a dtype of ${Object.keys(ARRAYS).join(', ')}, got ${show(dtype)}`,
      );
    if (!Array.isArray(shape) || !shape.every((n) => Number.isSafeInteger(n) && n >= 0))
      throw new UsageError(`${at}: expected a shape of whole numbers, got ${show(shape)}`);
    const array = ARRAYS[dtype as keyof typeof ARRAYS];
    if (!(data instanceof array))
      throw new UsageError(`${at}: expected ${dtype} data in a ${array.name}`);
  }
}

/** Writes header and data to an open file, for callers that ensure atomicity themselves. */
export async function writeTensors(
  file: FileHandle,
  tensors: WrittenTensors,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const ordered = [...tensors].sort(
    ([, a], [, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT,
  );
  await writeFully(file, encodeHeader(tensors, ordered, metadata));
  for (const [, { data }] of ordered) await writeFully(file, bytesOf(data));
}

/** Length and header; padded so that the data start at a multiple of 8. */
function encodeHeader(
  tensors: WrittenTensors,
  ordered: readonly [string, WrittenTensor][],
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

/** An open safetensors file as named tensors. @throws UsageError like `readSafetensors` */
export async function openSafetensors(file: InputFile): Promise<TensorFile> {
  await refuseTorch(file);
  return openTensors(file, () => kindInWords(file));
}

/** Opens a file, checks its header, and closes it after `use`. */
async function withFile<T>(
  path: string,
  use: (file: InputFile, loaded: LoadedHeader) => Promise<T>,
): Promise<T> {
  return withInputFile(path, 'a .safetensors file', async (file) => {
    await refuseTorch(file);
    return use(file, await loadHeader(file, () => kindInWords(file)));
  });
}

/** @throws UsageError with a hint how to convert it, for a file in PyTorch's own format */
async function refuseTorch({ path, handle }: InputFile): Promise<void> {
  const start = Buffer.alloc(8);
  await handle.read(start, 0, 8, 0);
  if (isTorchFile(start))
    throw new UsageError(
      `${path}: expected a .safetensors file, got one of PyTorch's own format. ${convertLine(path)}`,
    );
}

/** A file's kind from its first bytes. */
async function kindInWords(file: InputFile): Promise<string | undefined> {
  const bytes = Buffer.alloc(Math.min(file.size, KIND_BYTES));
  await file.read(bytes, 0);
  const kind = fileKind(bytes);
  return kind && describeKind(kind);
}
