/** The contents of a pickle, as far as a state dict needs them: data only, nothing executable. */
import type { Dtype } from '../dtypes.js';

export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Value[]
  | Tuple
  | ReadonlyMap<Value, Value>
  | Global
  | Storage
  | StoredTensor
  | Opaque;

/** A Python tuple; a list is an array. */
export class Tuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** The name of a Python class or function, `torch._utils._rebuild_tensor_v2`; it is only compared. */
export class Global {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** An object that a state dict does not need: it was not constructed, and its contents are dropped. */
export class Opaque {
  /** The class or function that Python would have called. */
  readonly origin: string;

  constructor(origin: string) {
    this.origin = origin;
  }
}

/** Contiguous elements somewhere in the file. */
export class Storage {
  /** Dtype of its elements; null for untyped bytes, and for unsupported types. */
  readonly dtype: Dtype | null;
  /** PyTorch's name of its type, e.g. `FloatStorage`. */
  readonly type: string;
  /** Key of its bytes within the file. */
  readonly key: string;
  /** Number of elements; of bytes for untyped storages. */
  readonly length: number;
  /** Index of its first element in the bytes of `key`: in old files a storage may be part of another. */
  readonly begin: number;

  constructor(dtype: Dtype | null, type: string, key: string, length: number, begin: number) {
    this.dtype = dtype;
    this.type = type;
    this.key = key;
    this.length = length;
    this.begin = begin;
  }
}

/** A tensor: a view of a storage. */
export class StoredTensor {
  readonly storage: Storage;
  /** A supported dtype, or PyTorch's name of an unsupported one. */
  readonly dtype: string;
  /** First element in the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** Distance in elements from one index to the next, by dimension. */
  readonly strides: readonly number[];

  constructor(
    storage: Storage,
    dtype: string,
    offset: number,
    shape: readonly number[],
    strides: readonly number[],
  ) {
    this.storage = storage;
    this.dtype = dtype;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }
}

/** Describes a value, for messages. */
export function describe(value: Value): string {
  if (value === null) return 'None';
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Tuple) return 'a tuple';
  if (value instanceof Map) return 'a dictionary';
  if (value instanceof StoredTensor) return 'a tensor';
  if (value instanceof Storage) return 'a storage';
  if (value instanceof Global) return value.name;
  if (value instanceof Opaque) return `an object of ${value.origin}`;
  if (value instanceof Uint8Array) return 'bytes';
  return typeof value === 'string' ? 'a text' : String(value);
}
