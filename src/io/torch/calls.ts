/**
 * The few functions and classes of Python and PyTorch that occur in a state dict, and what calling them means here. All
 * others are represented only by name.
 */
import { DTYPE_BYTES, type Dtype, isDtype } from '../dtypes.js';
import { PickleError } from './byte-reader.js';
import { describe, Global, Opaque, Storage, StoredTensor, Tuple, type Value } from './values.js';

/** Resolves a persistent id. */
export type PersistentLoad = (id: Value) => Value;

/** The result of `called(*args)`; nothing is run. @throws PickleError for invalid arguments */
export function call(called: Value, args: readonly Value[]): Value {
  if (called instanceof Opaque) return called;
  if (!(called instanceof Global)) throw new PickleError(`it calls ${describe(called)}`);
  const known = KNOWN.get(called.name);
  return known ? known(args) : new Opaque(called.name);
}

type Call = (args: readonly Value[]) => Value;

const KNOWN: ReadonlyMap<string, Call> = new Map<string, Call>([
  ['collections.OrderedDict', dictionary],
  ['collections.defaultdict', () => new Map()],
  ['torch.Size', ([sizes]) => (sizes instanceof Tuple ? sizes : new Opaque('torch.Size'))],
  ['torch._utils._rebuild_tensor', rebuildTensor],
  ['torch._utils._rebuild_tensor_v2', rebuildTensor],
  ['torch._utils._rebuild_tensor_v3', rebuildTyped],
  ['torch._utils._rebuild_parameter', ([data]) => data ?? null],
  ['torch._utils._rebuild_parameter_with_state', ([data]) => data ?? null],
  ['torch._tensor._rebuild_from_type_v2', rebuildFromType],
]);

/** `OrderedDict()`, or in Python 2's form, from a list of pairs. */
function dictionary([pairs]: readonly Value[]): Value {
  const made = new Map<Value, Value>();
  if (!Array.isArray(pairs)) return made;
  for (const pair of pairs as readonly Value[]) {
    const items: readonly Value[] = Array.isArray(pair)
      ? pair
      : pair instanceof Tuple
        ? pair.items
        : [];
    if (items.length !== 2) throw new PickleError('a dictionary of items that are not pairs');
    made.set(items[0]!, items[1]!);
  }
  return made;
}

/** (storage, storage_offset, size, stride, …): the dtype is the storage's. */
function rebuildTensor(args: readonly Value[]): Value {
  const [storage] = args;
  if (!(storage instanceof Storage)) throw new PickleError('a tensor has no storage');
  return makeTensor(storage, storage.dtype ?? storage.type, args);
}

/** (storage, storage_offset, size, stride, requires_grad, hooks, dtype, …) */
function rebuildTyped(args: readonly Value[]): Value {
  const [storage] = args;
  const dtype = args[6];
  if (!(storage instanceof Storage) || storage.dtype !== null)
    throw new PickleError('a typed tensor has no untyped storage');
  if (!(dtype instanceof Global))
    throw new PickleError(`a tensor of type ${describe(dtype ?? null)}`);
  return makeTensor(storage, TORCH_DTYPES.get(dtype.name) ?? dtype.name, args);
}

/** (function, class, arguments, state) of a subclass, or of a tensor with attributes. */
function rebuildFromType([made, , args]: readonly Value[]): Value {
  if (!(args instanceof Tuple)) throw new PickleError('the arguments of a call are not a tuple');
  // Not recursive: PyTorch never writes arguments that are calls of this kind.
  if (made instanceof Global && made.name.endsWith('_rebuild_from_type_v2'))
    throw new PickleError('it calls _rebuild_from_type_v2 of itself');
  return call(made ?? null, args.items);
}

function makeTensor(storage: Storage, dtype: string, args: readonly Value[]): StoredTensor {
  const [, offset, size, stride] = args;
  const shape = counts(size, 'shape');
  const strides = counts(stride, 'strides');
  if (!isCount(offset))
    throw new PickleError(`a tensor with the offset ${describe(offset ?? null)}`);
  if (shape.length !== strides.length)
    throw new PickleError(`a tensor of ${shape.length} dimensions with ${strides.length} strides`);
  checkExtent(storage, dtype, offset, shape, strides);
  return new StoredTensor(storage, dtype, offset, shape, strides);
}

/** The last element of a view must lie within its storage. */
function checkExtent(
  storage: Storage,
  dtype: string,
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
): void {
  const count = shape.reduce((product, n) => product * n, 1);
  if (!Number.isSafeInteger(count)) throw new PickleError(`a tensor of the shape [${shape}]`);
  if (count === 0) return;
  const last = shape.reduce((sum, n, axis) => sum + (n - 1) * strides[axis]!, offset);
  const size = storage.dtype === null && isDtype(dtype) ? DTYPE_BYTES[dtype] : 1;
  if ((last + 1) * size > storage.length)
    throw new PickleError(
      `a tensor that reaches to element ${last} of a storage of ${storage.length / size}`,
    );
}

function counts(value: Value | undefined, what: string): readonly number[] {
  const items = value instanceof Tuple ? value.items : value;
  // PyTorch has at most 64 dimensions.
  if (!Array.isArray(items) || items.length > 64 || !items.every(isCount))
    throw new PickleError(`a tensor whose ${what} is ${describe(value ?? null)}`);
  return items;
}

export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

const TORCH_DTYPES: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['torch.float64', 'F64'],
  ['torch.float32', 'F32'],
  ['torch.float16', 'F16'],
  ['torch.bfloat16', 'BF16'],
  ['torch.int64', 'I64'],
  ['torch.int32', 'I32'],
  ['torch.int16', 'I16'],
  ['torch.int8', 'I8'],
  ['torch.uint8', 'U8'],
  ['torch.bool', 'BOOL'],
]);

const STORAGE_DTYPES: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ['DoubleStorage', 'F64'],
  ['FloatStorage', 'F32'],
  ['HalfStorage', 'F16'],
  ['BFloat16Storage', 'BF16'],
  ['LongStorage', 'I64'],
  ['IntStorage', 'I32'],
  ['ShortStorage', 'I16'],
  ['CharStorage', 'I8'],
  ['ByteStorage', 'U8'],
  ['BoolStorage', 'BOOL'],
]);

/**
 * The storage that a persistent id `('storage', type, key, location, length[, view])` names; location, a device, does not
 * matter. A view `(key, offset, length)`, in old files, is a part of it.
 * @throws PickleError
 */
export function loadStorage(id: Value): Value {
  const [kind, type, key, , length, view] = id instanceof Tuple ? id.items : [];
  if (kind === 'module') return type ?? null; // ('module', class, file, source) in old files
  const [, name] =
    /^torch\.(?:cuda\.|storage\.)?(\w+Storage)$/.exec(type instanceof Global ? type.name : '') ??
    [];
  const named = typeof key === 'string' || typeof key === 'number';
  if (kind !== 'storage' || name === undefined || !named || !isCount(length))
    throw new PickleError('a persistent id that does not name a storage');
  const dtype = STORAGE_DTYPES.get(name) ?? null;
  if (!(view instanceof Tuple)) return new Storage(dtype, name, String(key), length, 0);
  const [, begin, part] = view.items;
  if (!isCount(begin) || !isCount(part) || begin + part > length)
    throw new PickleError(`a view that exceeds a storage of ${length}`);
  return new Storage(dtype, name, String(key), part, begin);
}
