/**
 * The header of a safetensors file: JSON with each tensor's dtype, shape and position in the data
 * after it. The file is treated as hostile: nothing is allocated or read on its word before every entry has
 * been checked against the others and against the size of the file.
 */
import { UsageError } from '../errors.js';
import { DTYPE_BYTES, type Dtype, isDtype } from './dtypes.js';
import { isObject, parseJson, show } from './json.js';

/** One tensor in the header; `begin` and `end` are byte offsets from the start of the data. */
export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/** A checked header: tensors in file order, and the free text under `__metadata__`. */
export interface Header {
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Longest supported header, as in the format's own library: 100 MB. */
export const LONGEST_HEADER = 100_000_000;

/** Root, entry, list: a header nests no deeper. The limit on names is far above any model's, far below memory's. */
const LIMITS = { depth: 3, names: 400_000 };

/**
 * Checks a header's bytes against the `dataBytes` bytes that follow it in the file called `where`.
 * @throws UsageError naming file and tensor, with what was expected and what was found
 */
export function parseHeader(bytes: Uint8Array, dataBytes: number, where: string): Header {
  const root = parseRoot(bytes, where);
  const tensors = new Map<string, TensorInfo>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(root)) {
    if (name === '__metadata__') metadata = checkMetadata(entry, where);
    else tensors.set(name, checkEntry(name, entry, where));
  }
  checkPlaces(tensors, dataBytes, where);
  return { tensors, metadata };
}

function parseRoot(bytes: Uint8Array, where: string): Record<string, unknown> {
  let root: unknown;
  try {
    root = parseJson(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
      LIMITS,
    );
  } catch (error) {
    const reason = error instanceof SyntaxError ? error.message : 'it is not UTF-8';
    throw new UsageError(`${where}: expected a header in JSON, got one that is not: ${reason}`);
  }
  if (!isObject(root))
    throw new UsageError(`${where}: expected the header to be a JSON object, got ${show(root)}`);
  return root;
}

function checkMetadata(entry: unknown, where: string): Record<string, string> {
  if (!isObject(entry))
    throw new UsageError(`${where}: __metadata__: expected an object of texts, got ${show(entry)}`);
  const texts = Object.entries(entry).map(([key, value]): [string, string] => {
    if (typeof value === 'string') return [key, value];
    throw new UsageError(
      `${where}: __metadata__: ${show(key)}: expected a text, got ${show(value)}`,
    );
  });
  return Object.fromEntries(texts);
}

function checkEntry(name: string, entry: unknown, where: string): TensorInfo {
  const fail = (expected: string, got: unknown): never => {
    throw new UsageError(`${where}: tensor ${show(name)}: expected ${expected}, got ${show(got)}`);
  };
  if (name === '__proto__') fail('a name other than "__proto__"', name);
  if (!isObject(entry)) return fail('an object with dtype, shape and data_offsets', entry);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (!isDtype(dtype)) return fail(`a dtype of ${Object.keys(DTYPE_BYTES).join(', ')}`, dtype);
  if (!isCounts(shape)) return fail('a shape of whole numbers of 0 or more', shape);
  if (!isCounts(offsets) || offsets.length !== 2)
    return fail('data_offsets of two whole numbers of 0 or more', offsets);
  const bytes = shape.reduce((product, n) => product * n, DTYPE_BYTES[dtype]);
  if (!Number.isSafeInteger(bytes)) fail('a shape that a file can hold', shape);
  const [begin, end] = offsets as [number, number];
  if (end - begin !== bytes)
    fail(`${bytes} bytes of data for ${dtype} ${show(shape)}`, `${end - begin} bytes`);
  return { dtype, shape, begin, end };
}

/** Every byte of the data must belong to exactly one tensor: no overlap, no gap, nothing beyond the end. */
function checkPlaces(
  tensors: ReadonlyMap<string, TensorInfo>,
  dataBytes: number,
  where: string,
): void {
  let at = 0;
  for (const [name, { begin, end }] of inFileOrder(tensors)) {
    if (begin !== at) {
      const fault = begin < at ? 'it overlaps another' : 'there is a gap before it';
      throw new UsageError(
        `${where}: tensor ${show(name)}: expected its data to begin at byte ${at}, got ${begin}: ${fault}`,
      );
    }
    if (end > dataBytes)
      throw new UsageError(
        `${where}: tensor ${show(name)}: expected its data to end within the file's ${dataBytes} bytes of data, ` +
          `got ${end}: the file is cut off`,
      );
    at = end;
  }
  if (at !== dataBytes)
    throw new UsageError(
      `${where}: expected ${at} bytes of data according to its header, got ${dataBytes}`,
    );
}

/** Entries sorted by the position of their data. */
export function inFileOrder(tensors: ReadonlyMap<string, TensorInfo>): [string, TensorInfo][] {
  return [...tensors].sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
}

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
