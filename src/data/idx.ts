/**
 * IDX, the format of MNIST and similar sets: two zero bytes, the type of the elements, the number of dimensions,
 * each dimension as a big-endian u32, then the elements (http://yann.lecun.com/exdb/mnist/).
 */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { createGunzip } from 'node:zlib';
import { UsageError } from '../errors.js';
import { describeKind, fileKind } from '../io/file-kind.js';
import { fsPath, type RawPath } from '../io/raw-path.js';
import { throwIfMachines } from '../machine/faults.js';
import { classesOfIdx } from './classes.js';
import { fingerprintOfParts } from './fingerprint.js';
import { reasonOf } from './reason.js';
import type { Place, Source } from './source.js';
import { requireRoomToUnpack } from './unpacked.js';

const TYPES: Record<number, string> = {
  8: 'u8',
  9: 'i8',
  11: 'i16',
  12: 'i32',
  13: 'f32',
  14: 'f64',
};

/** Size of the magic number and the three dimensions of a file of images. */
const HEADER = 16;

interface Shape {
  readonly count: number;
  readonly height: number;
  readonly width: number;
}

/**
 * An IDX file of u8 images [count, height, width]; undefined for a file of another kind.
 * @throws UsageError for labels, another type or number of dimensions, and a size that does not match
 */
export async function openIdx(place: Place): Promise<Source | undefined> {
  const start = await head(place);
  if (start[0] === 0x1f && start[1] === 0x8b) return openZipped(place);
  const shape = parse(place.name, start);
  if (!shape) return undefined;
  const { size } = await stat(fsPath(place.path));
  checkSize(place.name, shape, size - HEADER);
  return source(place, place.path, shape);
}

/** Gzip cannot be read from the middle, so the pixels are decompressed into shared memory. */
async function openZipped(place: Place): Promise<Source> {
  const file = place.name;
  const chunks: Buffer[] = [];
  let length = 0;
  let shape: Shape | undefined;
  const zipped = createReadStream(fsPath(place.path));
  const unzipped = zipped.pipe(createGunzip());
  zipped.on('error', (error) => unzipped.destroy(error));
  try {
    for await (const chunk of unzipped as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (!shape && length >= HEADER) {
        shape = parse(file, Buffer.concat(chunks, HEADER));
        if (shape) requireRoomToUnpack(file, bytes(shape), 'unpack the file (gunzip)');
      }
      // Data longer than the header says are refused before they fill the memory.
      if (shape ? length - HEADER > bytes(shape) : length >= HEADER) break;
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throwIfMachines(error, file);
    throw new UsageError(`${file}: the gzip data cannot be unpacked (${reasonOf(error)})`);
  } finally {
    zipped.destroy();
  }
  if (length < HEADER) shape = parse(file, Buffer.concat(chunks));
  if (!shape) throw new UsageError(`${file}: gzip, but no IDX file inside${inside(chunks)}`);
  checkSize(file, shape, length - HEADER);
  const pixels = new SharedArrayBuffer(length);
  let at = 0;
  for (const chunk of chunks) {
    new Uint8Array(pixels, at, chunk.length).set(chunk);
    at += chunk.length;
  }
  return source(place, pixels, shape);
}

/** What the archive holds instead, if that is known. */
function inside(chunks: readonly Buffer[]): string {
  const kind = fileKind(Buffer.concat(chunks));
  return kind === undefined ? '' : `: it is ${describeKind(kind)}`;
}

async function head({ path, name }: Place): Promise<Buffer> {
  const handle = await open(fsPath(path)).catch((error: unknown) => {
    throwIfMachines(error, name);
    throw new UsageError(`${name}: cannot be opened: ${reasonOf(error)}`);
  });
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(HEADER), 0, HEADER, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

function parse(file: string, start: Buffer): Shape | undefined {
  const type = start[2] ?? 0;
  const dimensions = start[3] ?? 0;
  if (start.length < 4 || start.readUInt16BE() !== 0 || !(type in TYPES) || dimensions === 0)
    return undefined;
  if (type !== 0x08)
    throw new UsageError(`${file}: IDX of ${TYPES[type]}; expected images of u8 (type 0x08)`);
  if (dimensions === 1)
    throw new UsageError(
      `${file}: IDX with one dimension, which is a file of labels; expected the file of images`,
    );
  if (dimensions !== 3)
    throw new UsageError(
      `${file}: IDX with ${dimensions} dimensions; expected 3 (count, rows, columns)`,
    );
  if (start.length < HEADER)
    throw new UsageError(`${file}: the IDX header ends after ${start.length} of ${HEADER} bytes`);
  const shape = {
    count: start.readUInt32BE(4),
    height: start.readUInt32BE(8),
    width: start.readUInt32BE(12),
  };
  if (bytes(shape) === 0)
    throw new UsageError(
      `${file}: IDX of ${shape.count} images of ${shape.height}x${shape.width}; expected at least one of each`,
    );
  return shape;
}

const bytes = (shape: Shape): number => shape.count * shape.height * shape.width;

function checkSize(file: string, shape: Shape, got: number): void {
  const expected = bytes(shape);
  if (got === expected) return;
  throw new UsageError(
    `${file}: IDX of ${shape.count} images of ${shape.height}x${shape.width}: expected ${expected} bytes ` +
      `after the header, got ${got < expected ? got : 'more'}`,
  );
}

function source({ path, name }: Place, from: RawPath | SharedArrayBuffer, shape: Shape): Source {
  const { count, height, width } = shape;
  return {
    name,
    count,
    item: (i) => ({
      kind: 'record',
      from,
      offset: HEADER + i * height * width,
      width,
      height,
      channels: 1,
      planar: false,
    }),
    label: (i) => `${basename(name)}, image ${i}`,
    skipped: [],
    leftOut: [],
    classes: () => classesOfIdx(path, name, count),
    fingerprint: () => fingerprintOfParts([path]),
  };
}
