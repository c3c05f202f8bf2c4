/**
 * The data of a safetensors file, read tensor by tensor into arrays of their own: aligned, and never
 * twice in memory. Dtypes that PyTorch users have but Haze does not compute in are converted on the way.
 */
import type { FileHandle } from 'node:fs/promises';
import { UsageError } from '../errors.js';
import { elements, type Tensor } from '../network/state.js';
import { LARGEST_CALL } from './atomic.js';
import { DTYPE_BYTES, type TensorInfo } from './safetensors-header.js';

/** Bytes of foreign dtypes that are converted at a time; a multiple of every element's size. */
const PIECE = 1 << 20;

/** Reads one tensor; `at` is the byte of the file where its data begins. */
export async function readTensor(
  file: FileHandle,
  info: TensorInfo,
  at: number,
  where: string,
): Promise<Tensor> {
  const { dtype, shape } = info;
  const length = elements(shape);
  if (dtype === 'I64' || dtype === 'I32') {
    const data = new BigInt64Array(length);
    if (dtype === 'I64') await readFully(file, bytesOf(data), at, where);
    else await convert(file, info, at, where, (v, i, k) => (data[k] = BigInt(v.getInt32(i, true))));
    return { dtype: 'I64', shape, data };
  }
  const data = new Float32Array(length);
  if (dtype === 'F32') await readFully(file, bytesOf(data), at, where);
  else {
    const decode = FLOATS[dtype];
    await convert(file, info, at, where, (v, i, k) => (data[k] = decode(v, i)));
  }
  return { dtype: 'F32', shape, data };
}

/** An array's memory as bytes. */
export const bytesOf = (a: Float32Array | BigInt64Array): Uint8Array =>
  new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

/** Fills `bytes` from byte `at` of the file. @throws UsageError when the file ends before. */
export async function readFully(
  file: FileHandle,
  bytes: Uint8Array,
  at: number,
  where: string,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const length = Math.min(bytes.length - done, LARGEST_CALL);
    const { bytesRead } = await file.read(bytes, done, length, at + done);
    if (bytesRead === 0)
      throw new UsageError(
        `${where}: expected ${at + bytes.length} bytes or more, got ${at + done}: the file is cut off`,
      );
    done += bytesRead;
  }
}

/** Calls `set(view, byte, element)` for each element, reading a piece at a time. */
async function convert(
  file: FileHandle,
  { dtype, begin, end }: TensorInfo,
  at: number,
  where: string,
  set: (view: DataView, byte: number, element: number) => void,
): Promise<void> {
  const size = DTYPE_BYTES[dtype];
  const piece = new Uint8Array(Math.min(PIECE, end - begin));
  const view = new DataView(piece.buffer);
  for (let done = 0; done < end - begin; done += PIECE) {
    const bytes = piece.subarray(0, Math.min(PIECE, end - begin - done));
    await readFully(file, bytes, at + done, where);
    for (let i = 0; i < bytes.length; i += size) set(view, i, (done + i) / size);
  }
}

const FLOATS = {
  F64: (v: DataView, i: number) => v.getFloat64(i, true),
  F16: (v: DataView, i: number) => halfToFloat(v.getUint16(i, true)),
  BF16: (v: DataView, i: number) => bfloatToFloat(v.getUint16(i, true)),
};

/** IEEE 754 binary16: sign, 5 bits of exponent, 10 of fraction; exact in f32. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const word = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of an f32. */
function bfloatToFloat(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}
