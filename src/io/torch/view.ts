/** Reads a tensor that is a view of a storage: contiguous, or with any strides. */
import { UsageError } from '../../errors.js';
import { elements, type Tensor } from '../../network/state.js';
import { DTYPE_BYTES, isDtype } from '../dtypes.js';
import type { InputFile } from '../input-file.js';
import { readTensor } from '../tensor-data.js';
import type { Place } from '../zip-reader.js';
import type { StoredTensor } from './values.js';

/**
 * Reads `view` of the storage whose bytes are at `place`.
 * @param spend called with the number of bytes that will be read or created, before they are allocated
 * @throws UsageError for an unsupported dtype, and for a view that exceeds the storage
 */
export async function readView(
  file: InputFile,
  view: StoredTensor,
  place: Place,
  where: string,
  spend: (bytes: number) => void,
): Promise<Tensor> {
  const { dtype, shape, strides, storage } = view;
  if (!isDtype(dtype))
    throw new UsageError(
      `${where}: expected a dtype of ${Object.keys(DTYPE_BYTES).join(', ')}, got ${dtype}`,
    );
  const size = DTYPE_BYTES[dtype];
  const count = elements(shape);
  const span =
    count === 0 ? 0 : 1 + shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis]!, 0);
  const begin = (storage.begin + view.offset) * size;
  if (begin + span * size > place.bytes)
    throw new UsageError(
      `${where}: expected its data to end within the ${place.bytes} bytes of its storage, got ${begin + span * size}`,
    );
  spend(Math.max(span, count) * size);
  const at = place.at + begin;
  if (isDense(shape, strides) || count === 0) return readTensor(file, { dtype, shape }, at, where);
  const spanned = await readTensor(file, { dtype, shape: [span] }, at, where);
  return gather(spanned, shape, strides);
}

/** Whether the elements are contiguous, row-major. The stride of a dimension of size one does not matter. */
function isDense(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

function gather(spanned: Tensor, shape: readonly number[], strides: readonly number[]): Tensor {
  const count = elements(shape);
  if (spanned.dtype === 'I64') {
    const data = new BigInt64Array(count);
    eachPlace(shape, strides, (place, at) => (data[at] = spanned.data[place]!));
    return { dtype: 'I64', shape, data };
  }
  const data = new Float32Array(count);
  eachPlace(shape, strides, (place, at) => (data[at] = spanned.data[place]!));
  return { dtype: 'F32', shape, data };
}

/** Calls `visit(place, index)` for each element of a view of one dimension or more, in row-major order. */
function eachPlace(
  shape: readonly number[],
  strides: readonly number[],
  visit: (place: number, at: number) => unknown,
): void {
  const last = shape.length - 1;
  let at = 0;
  const walk = (axis: number, begin: number): void => {
    for (let i = 0, place = begin; i < shape[axis]!; i++, place += strides[axis]!)
      if (axis === last) visit(place, at++);
      else walk(axis + 1, place);
  };
  walk(0, 0);
}
