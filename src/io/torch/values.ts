/** What a pickle holds, as far as a state dict needs it: data and nothing that could act. */
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

/** The name of a Python class or function, `torch._utils._rebuild_tensor_v2`; it is only ever compared. */
export class Global {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** An object that a state dict has no need of: what would have made it was not run, and what it holds is forgotten. */
export class Opaque {
  /** The class or function that Python would have called. */
  readonly origin: string;

  constructor(origin: string) {
    this.origin = origin;
  }
}

/** A run of elements somewhere in the file. */
export class Storage {
  /** Dtype of its elements; null for untyped bytes, and where Haze does not read the type. */
  readonly dtype: Dtype | null;
  /** PyTorch's name of its type, `FloatStorage`. */
  readonly type: string;
  /** Names its bytes within the file. */
  readonly key: string;
  /** Elements; of untyped storages, bytes. */
  readonly length: number;
  /** First element of it in the bytes that `key` names: of old files, where a storage may be part of another. */
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
  /** A dtype that is read, or PyTorch's name of one that is not. */
  readonly dtype: string;
  /** First element in the storage. */
  readonly offset: number;
  readonly shape: readonly number[];
  /** Elements from one index to the next, by dimension. */
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

/** What a value is, for messages. */
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
