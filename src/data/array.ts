/**
 * Images in one array: NumPy's .npy and .npz (stored or deflated) and .safetensors, u8 [count, height, width], optionally with 1, 3 or 4
 * (RGBA) channels as the last dimension. It also reads the arrays that `haze generate` writes.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { UsageError } from '../errors.js';
import { fileKind, KIND_BYTES } from '../io/file-kind.js';
import { type InputFile, withInputFile } from '../io/input-file.js';
import { elementsOf, NPY_HEAD, npyBytes, parseNpy } from '../io/npy.js';
import { type Npz, type NpzArray, namesText, openNpz } from '../io/npz.js';
import { fsPath, joinRaw, type RawPath } from '../io/raw-path.js';
import { openSafetensors } from '../io/safetensors.js';
import { holdsStatistics } from '../io/statistics-file.js';
import { classesOfNpz, LABELS_NAME } from './array-labels.js';
import { fingerprintOfParts } from './fingerprint.js';
import { requirePixels } from './most-pixels.js';
import { readAt } from './read-at.js';
import type { Place, Source } from './source.js';
import { requireRoomToUnpack } from './unpacked.js';

/** Consecutive images of one shape. */
interface Images {
  readonly from: RawPath | SharedArrayBuffer;
  /** Offset of the first, in bytes. */
  readonly at: number;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3 | 4;
  /** Whether the file has labels for them. */
  readonly labelled?: boolean;
}

/** `haze generate`'s array files, and the marker of an unfinished one. */
const GENERATED = ['images.npz', 'images.safetensors'];
const PART = 'images.part';

/**
 * A file with one array of images; undefined for a file of another kind.
 * @throws UsageError for an array that does not hold images, and for a damaged file
 */
export async function openArray(place: Place): Promise<Source | undefined> {
  const file = place.path;
  if (typeof file !== 'string') return undefined;
  const open = readerOf(file);
  if (!open) return undefined;
  return source(place, await withInputFile(file, 'an array of images', open));
}

/** The array of a folder that `haze generate` wrote; undefined for another folder. @throws UsageError for an unfinished one */
export async function openArrayFolder(folder: Place): Promise<Source | undefined> {
  const names = await readdir(fsPath(folder.path)).catch(() => [] as string[]);
  if (!names.some((name) => /^manifest-\d+-of-\d+\.jsonl$/.test(name))) return undefined;
  const name = GENERATED.find((array) => names.includes(array));
  if (name !== undefined)
    return openArray({
      path: joinRaw(folder.path, Buffer.from(name)),
      name: path.join(folder.name, name),
    });
  if (!names.includes(PART)) return undefined;
  throw new UsageError(
    `${folder.name}: expected a finished set of images, got one that haze generate has not finished; run the same command to finish it`,
  );
}

/** By content, except for formats without a signature: a zip may be anything, and safetensors has none. */
function readerOf(file: string): ((file: InputFile) => Promise<Images>) | undefined {
  if (/\.npz$/i.test(file)) return fromNpz;
  if (/\.safetensors$/i.test(file)) return fromSafetensors;
  return fileKind(readAt(file, 0, KIND_BYTES)) === 'npy' ? fromNpy : undefined;
}

async function fromNpy({ path: name, handle, size }: InputFile): Promise<Images> {
  const head = Buffer.alloc(Math.min(NPY_HEAD, size));
  await handle.read(head, 0, head.length, 0);
  const npy = parseNpy(head, name);
  const expected = npy.start + npyBytes(npy, ['|u1'], name);
  if (size !== expected)
    throw new UsageError(
      `${name}: expected ${expected} bytes for its shape (${npy.shape.join(', ')}), got ${size}`,
    );
  refuseFortran(npy.fortran, name);
  return { from: name, at: npy.start, ...imageShape(npy.shape, name) };
}

async function fromNpz(file: InputFile): Promise<Images> {
  const npz = await openNpz(file);
  const array = await npz.open(arrayOf(npz, file.path), ['|u1']);
  refuseFortran(array.fortran, array.where);
  const shape = imageShape(array.shape, array.where);
  const labelled = npz.names.includes(LABELS_NAME);
  if (array.at !== null) {
    await verify(array, bytesOf(shape));
    return { from: file.path, at: array.at, labelled, ...shape };
  }
  return { from: await unpack(array, shape), at: 0, labelled, ...shape };
}

/** `arr_0`, the name that `np.savez` gives an unnamed array, or the only one. */
function arrayOf(npz: Npz, file: string): string {
  if (npz.names.includes('arr_0')) return 'arr_0';
  const [name] = npz.names;
  if (npz.names.length === 1) return name!;
  const what = holdsStatistics(npz) ? 'statistics of features' : namesText(npz.names);
  throw new UsageError(`${file}: expected one array of images, or arr_0, got ${what}`);
}

/**
 * Reads it once for its checksum, as NumPy does. Later reads are of single images, which have none.
 * @throws UsageError if it does not match
 */
async function verify({ read }: NpzArray, length: number): Promise<void> {
  const pieces = read(length);
  while (!(await pieces.next()).done);
}

const bytesOf = ({ count, height, width, channels }: Shape): number =>
  count * height * width * channels;

/** Deflated data cannot be read from the middle, so the pixels are decompressed into memory. */
async function unpack(array: NpzArray, shape: Shape): Promise<SharedArrayBuffer> {
  const length = bytesOf(shape);
  requireRoomToUnpack(array.where, length, 'store them uncompressed (np.savez)');
  const pixels = new SharedArrayBuffer(length);
  let at = 0;
  for await (const piece of array.read(length)) {
    new Uint8Array(pixels, at, piece.length).set(piece);
    at += piece.length;
  }
  return pixels;
}

async function fromSafetensors(file: InputFile): Promise<Images> {
  const { entries } = await openSafetensors(file);
  const [[name, info] = []] = entries;
  if (entries.size !== 1 || info?.dtype !== 'U8')
    throw new UsageError(
      `${file.path}: expected one tensor of type U8, as haze generate writes images, got ${entries.size === 1 ? `one of ${info?.dtype}` : `${entries.size} tensors`}`,
    );
  const shape = imageShape(info.shape, `${file.path}: ${name}`);
  // The data of the only tensor end with the file.
  return { from: file.path, at: file.size - elementsOf(info.shape), ...shape };
}

type Shape = Omit<Images, 'from' | 'at' | 'labelled'>;

function imageShape(shape: readonly number[], where: string): Shape {
  const [count = 0, height = 0, width = 0, channels = 1] = shape;
  const pixels = height * width;
  if (
    (shape.length === 3 || shape.length === 4) &&
    (channels === 1 || channels === 3 || channels === 4) &&
    count > 0 &&
    pixels > 0
  ) {
    requirePixels(where, height, width);
    return { count, height, width, channels };
  }
  throw new UsageError(
    `${where}: expected images [count, height, width] or with 1, 3 or 4 channels behind, got (${shape.join(', ')})`,
  );
}

function refuseFortran(fortran: boolean, where: string): void {
  if (fortran)
    throw new UsageError(
      `${where}: expected an array in C order, got Fortran order; save np.ascontiguousarray(…)`,
    );
}

function source({ path: file, name }: Place, images: Images): Source {
  const { from, at, count, height, width, channels, labelled = false } = images;
  const each = height * width * channels;
  return {
    name,
    count,
    item: (i) => ({
      kind: 'record',
      from,
      offset: at + i * each,
      width,
      height,
      channels,
      planar: false,
    }),
    label: (i) => `${path.basename(name)}, image ${i}`,
    skipped: [],
    leftOut: [],
    ...(labelled && typeof file === 'string' && { classes: () => classesOfNpz(file, count) }),
    fingerprint: () => fingerprintOfParts([file]),
  };
}
