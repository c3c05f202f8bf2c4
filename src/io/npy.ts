/**
 * The header of a NumPy array: magic, version, the length of a Python literal, and that literal, with type, order and
 * shape (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html). It is treated as hostile: nothing is
 * allocated on its word.
 */
import { UsageError } from '../errors.js';
import { show } from './json.js';

/** The contents of a header. */
export interface Npy {
  /** NumPy's name of the type: `|u1`, `<f8`. */
  readonly dtype: string;
  /** Whether the first index varies fastest. */
  readonly fortran: boolean;
  readonly shape: readonly number[];
  /** Bytes of the header: the array starts after it. */
  readonly start: number;
}

/** Bytes of the supported types. */
export const NPY_BYTES: Readonly<Record<string, number>> = {
  '|u1': 1,
  '<i4': 4,
  '<i8': 8,
  '<f4': 4,
  '<f8': 8,
};

/** Size limit of a header: NumPy pads its own to about 128 bytes. */
const LONGEST = 1 << 16;

/** Bytes from the start of an array that contain its whole header, if the file has them. */
export const NPY_HEAD = LONGEST + 12;

/** Most dimensions of an array. */
const MOST_DIMENSIONS = 8;

const MAGIC = '\x93NUMPY';

/**
 * Reads the header at the start of `head`.
 * @throws UsageError naming `where`, for an invalid header, or an unsupported type
 */
export function parseNpy(head: Buffer, where: string): Npy {
  if (head.toString('latin1', 0, 6) !== MAGIC)
    throw new UsageError(`${where}: expected a NumPy array, got something else`);
  const major = head[6] ?? 0;
  if (![1, 2, 3].includes(major))
    throw new UsageError(
      `${where}: expected version 1, 2 or 3 of NumPy's format, got version ${major}`,
    );
  const begin = major === 1 ? 10 : 12;
  if (head.length < begin) throw cutOff(where);
  const length = major === 1 ? head.readUInt16LE(8) : head.readUInt32LE(8);
  if (length > LONGEST)
    throw new UsageError(
      `${where}: expected a NumPy header of at most ${LONGEST} bytes, got ${length}`,
    );
  const start = begin + length;
  if (head.length < start) throw cutOff(where);
  return { ...parseLiteral(head.toString('latin1', begin, start), where), start };
}

const cutOff = (where: string): UsageError =>
  new UsageError(`${where}: expected a whole NumPy header, got one that is cut off`);

function parseLiteral(text: string, where: string): Omit<Npy, 'start'> {
  const whole = /^\{[^{}]*\}\s*$/.test(text);
  const order = /'fortran_order'\s*:\s*(True|False)\s*[,}]/.exec(text)?.[1];
  const shape = /'shape'\s*:\s*\(([\d,\s]*)\)\s*[,}]/.exec(text)?.[1];
  const dtype = /'descr'\s*:\s*'([^'\\]*)'\s*[,}]/.exec(text)?.[1];
  if (whole && order && shape !== undefined && /'descr'\s*:\s*\[/.test(text))
    throw new UsageError(`${where}: expected an array of numbers, got one of records`);
  if (!whole || !order || shape === undefined || dtype === undefined)
    throw new UsageError(
      `${where}: expected a NumPy header with descr, fortran_order and shape, got ${show(text.trim())}`,
    );
  return { dtype, fortran: order === 'True', shape: parseShape(shape, where) };
}

function parseShape(text: string, where: string): number[] {
  const shape = text.split(',').flatMap((item) => (item.trim() === '' ? [] : [Number(item)]));
  const given = `(${show(text.trim()).slice(1, -1)})`;
  if (!shape.every(Number.isSafeInteger))
    throw new UsageError(`${where}: expected dimensions of whole numbers below 2^53, got ${given}`);
  if (shape.length > MOST_DIMENSIONS)
    throw new UsageError(
      `${where}: expected at most ${MOST_DIMENSIONS} dimensions, got ${shape.length}`,
    );
  if (!Number.isSafeInteger(elementsOf(shape)))
    throw new UsageError(
      `${where}: expected an array of fewer than 2^53 elements, got the shape ${given}`,
    );
  return shape;
}

export const elementsOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Bytes of the array itself. @throws UsageError for a type that is not among `types` */
export function npyBytes({ dtype, shape }: Npy, types: readonly string[], where: string): number {
  if (dtype.endsWith('O'))
    throw new UsageError(
      `${where}: expected an array of numbers, got Python objects (a pickle), which are not read`,
    );
  if (!types.includes(dtype))
    throw new UsageError(
      `${where}: expected an array of type ${types.join(' or ')}, got ${show(dtype)}`,
    );
  return elementsOf(shape) * NPY_BYTES[dtype]!;
}

/** A header of version 1, padded so that the data start at a multiple of 64. */
export function npyHeader(shape: readonly number[], dtype = '|u1'): Uint8Array {
  const dimensions = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const literal = `{'descr': '${dtype}', 'fortran_order': False, 'shape': (${dimensions}), }`;
  const length = Math.ceil((10 + literal.length + 1) / 64) * 64 - 10;
  const header = Buffer.alloc(10 + length, ' ');
  header.write(`${MAGIC}\x01\x00`, 0, 'latin1');
  header.writeUInt16LE(length, 8);
  header.write(literal, 10, 'latin1');
  header[header.length - 1] = 10;
  return header;
}
