/**
 * Images in one array: NumPy's .npy and .npz (stored or deflated) and .safetensors, u8 [count, height, width] or with 1, 3 or 4
 * (RGBA) channels behind. What `haze generate` writes for other programs is read again by this.
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
import { readAt } from './read-at.js';
import type { Place, Source } from './source.js';
import { requireRoomToUnpack } from './unpacked.js';

/** Images of one shape one after the other. */
interface Images {
  readonly from: RawPath | SharedArrayBuffer;
  /** Where the first begins. */
  readonly at: number;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3 | 4;
  /** Whether labels lie beside them. */
  readonly labelled?: boolean;
}

/** What `haze generate` calls its arrays, and the part that is not finished. */
const GENERATED = ['images.npz', 'images.safetensors'];
const PART = 'images.part';

/**
 * A file of one array of images; undefined for a file of another kind.
 * @throws UsageError for an array that holds no images, and for a damaged file
 */
export async function openArray(place: Place): Promise<Source | undefined> {
  const file = place.path;
  if (typeof file !== 'string') return undefined;
  const open = readerOf(file);
  if (!open) return undefined;
  return source(place, await withInputFile(file, 'an array of images', open));
}

/** The array of a folder that `haze generate` filled; undefined for another folder. @throws UsageError for one that is not finished */
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
    `${folder.name}: expected a finished set of images, got one that haze generate has not finished; the same command goes on`,
  );
}

/** By content where that says it; a zip may be anything, and safetensors have no mark. */
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
      `${name}: expected ${expected} bytes, as its shape (${npy.shape.join(', ')}) has, got ${size}`,
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
  if (array.at !== null) return { from: file.path, at: array.at, labelled, ...shape };
  return { from: await unpack(array, shape), at: 0, labelled, ...shape };
}

/** `arr_0`, as `np.savez` names what it is not told a name for, or the only one. */
function arrayOf(npz: Npz, file: string): string {
  if (npz.names.includes('arr_0')) return 'arr_0';
  const [name] = npz.names;
  if (npz.names.length === 1) return name!;
  const what = holdsStatistics(npz) ? 'statistics of features' : namesText(npz.names);
  throw new UsageError(`${file}: expected one array of images, or arr_0, got ${what}`);
}

/** Deflated data cannot be read from the middle, so the pixels are unpacked into memory. */
async function unpack(array: NpzArray, shape: Shape): Promise<SharedArrayBuffer> {
  const length = shape.count * shape.height * shape.width * shape.channels;
  requireRoomToUnpack(array.where, length, 'store them as they are (np.savez)');
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
  // The only tensor's data end with the file.
  return { from: file.path, at: file.size - elementsOf(info.shape), ...shape };
}

type Shape = Omit<Images, 'from' | 'at' | 'labelled'>;

/** Pixels that an image may have: what the decoder allows a picture. */
const MOST_PIXELS = 268_435_456;

function imageShape(shape: readonly number[], where: string): Shape {
  const [count = 0, height = 0, width = 0, channels = 1] = shape;
  const pixels = height * width;
  if (
    (shape.length === 3 || shape.length === 4) &&
    (channels === 1 || channels === 3 || channels === 4) &&
    count > 0 &&
    pixels > 0 &&
    pixels <= MOST_PIXELS
  )
    return { count, height, width, channels };
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
