/**
 * Reads the data of tensors in files into separate arrays: aligned, and never twice in memory. Dtypes
 * that PyTorch users have but Haze does not compute in are converted on the fly.
 */
import { elements, type Tensor } from '../network/state.js';
import type { ByteSource } from './byte-source.js';
import { DTYPE_BYTES, type Dtype } from './dtypes.js';
import { halfToFloat } from './half.js';

/** Bytes of foreign dtypes to convert at a time; a multiple of every element's size. */
const PIECE = 1 << 20;

/** A tensor whose elements are contiguous in a file, row-major. */
export interface DenseTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Reads one tensor; `at` is the offset of its data in the file. */
export async function readTensor(
  file: ByteSource,
  info: DenseTensor,
  at: number,
  where: string,
): Promise<Tensor> {
  const { dtype, shape } = info;
  const length = elements(shape);
  if (isInteger(dtype)) {
    const data = new BigInt64Array(length);
    if (dtype === 'I64') await file.read(bytesOf(data), at, where);
    else {
      const decode = INTEGERS[dtype];
      await convert(file, info, at, where, (v, i, k) => (data[k] = BigInt(decode(v, i))));
    }
    return { dtype: 'I64', shape, data };
  }
  const data = new Float32Array(length);
  if (dtype === 'F32') await file.read(bytesOf(data), at, where);
  else {
    const decode = FLOATS[dtype];
    await convert(file, info, at, where, (v, i, k) => (data[k] = decode(v, i)));
  }
  return { dtype: 'F32', shape, data };
}

/** An array's memory as bytes. */
export const bytesOf = (a: Float32Array | BigInt64Array | Uint16Array): Uint8Array =>
  new Uint8Array(a.buffer, a.byteOffset, a.byteLength);

/** Calls `set(view, byte, element)` for each element, reading a piece at a time. */
async function convert(
  file: ByteSource,
  { dtype, shape }: DenseTensor,
  at: number,
  where: string,
  set: (view: DataView, byte: number, element: number) => void,
): Promise<void> {
  const size = DTYPE_BYTES[dtype];
  const length = size * elements(shape);
  const piece = new Uint8Array(Math.min(PIECE, length));
  const view = new DataView(piece.buffer);
  for (let done = 0; done < length; done += PIECE) {
    const bytes = piece.subarray(0, Math.min(PIECE, length - done));
    await file.read(bytes, at + done, where);
    for (let i = 0; i < bytes.length; i += size) set(view, i, (done + i) / size);
  }
}

const FLOATS = {
  F64: (v: DataView, i: number) => v.getFloat64(i, true),
  F16: (v: DataView, i: number) => halfToFloat(v.getUint16(i, true)),
  BF16: (v: DataView, i: number) => bfloatToFloat(v.getUint16(i, true)),
};

const INTEGERS = {
  I32: (v: DataView, i: number) => v.getInt32(i, true),
  I16: (v: DataView, i: number) => v.getInt16(i, true),
  I8: (v: DataView, i: number) => v.getInt8(i),
  U8: (v: DataView, i: number) => v.getUint8(i),
  BOOL: (v: DataView, i: number) => v.getUint8(i),
};

const isInteger = (dtype: Dtype): dtype is 'I64' | keyof typeof INTEGERS =>
  dtype === 'I64' || Object.hasOwn(INTEGERS, dtype);

const word = new DataView(new ArrayBuffer(4));

/** bfloat16 is the upper half of an f32. */
function bfloatToFloat(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}
