/** The images of a run in one file, for workers: u8 [count, size, size, channels], then, if there are classes, u32 labels, one per image. */
import type { FileHandle } from 'node:fs/promises';
import { endianness } from 'node:os';
import type { Classes } from '../data/classes.js';
import type { Dataset } from '../data/dataset.js';
import { RunError } from '../errors.js';
import { writeAtomically, writeFully } from '../io/atomic.js';
import { openPlain } from '../io/plain-file.js';

/** Images per read and write. */
const PIECE = 256;

type Shape = Pick<Dataset, 'count' | 'size' | 'channels'>;

const bytesOfOne = ({ size, channels }: Shape): number => size * size * channels;

/** Writes a data set to a file. @throws RunError */
export function packImages(path: string, dataset: Dataset): Promise<void> {
  const { count, classes } = dataset;
  const each = bytesOfOne(dataset);
  return writeAtomically(path, async (file) => {
    for (let first = 0; first < count; first += PIECE) {
      const indices = Uint32Array.from(
        { length: Math.min(PIECE, count - first) },
        (_, i) => first + i,
      );
      const pixels = new Uint8Array(indices.length * each);
      await dataset.read(indices, pixels);
      await writeFully(file, pixels);
    }
    if (classes) await writeFully(file, littleEndian(Uint32Array.from(classes.labels)));
  });
}

/** An open file of packed images. */
export class PackedImages {
  readonly classes: Classes | null;
  private readonly file: FileHandle;
  private readonly each: number;

  private constructor(file: FileHandle, each: number, classes: Classes | null) {
    this.file = file;
    this.each = each;
    this.classes = classes;
  }

  /**
   * @param names of its classes; null if it has no labels
   * @throws RunError for labels out of range
   */
  static async open(
    path: string,
    shape: Shape,
    names: readonly string[] | null,
  ): Promise<PackedImages> {
    const file = await openPlain(path);
    try {
      const { count } = shape;
      const each = bytesOfOne(shape);
      if (!names) return new PackedImages(file, each, null);
      const labels = new Uint32Array(count);
      const bytes = new Uint8Array(labels.buffer);
      await readFully(file, bytes, count * each);
      littleEndian(labels);
      const wrong = labels.find((label) => label >= names.length);
      if (wrong !== undefined)
        throw new RunError(`${path}: expected labels below ${names.length}, got ${wrong}`);
      return new PackedImages(file, each, { names, labels: Int32Array.from(labels) });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The images with these indices, in order. */
  async read(indices: Uint32Array): Promise<Uint8Array> {
    const { each } = this;
    const pixels = new Uint8Array(indices.length * each);
    for (const [i, image] of indices.entries())
      await readFully(this.file, pixels.subarray(i * each, (i + 1) * each), image * each);
    return pixels;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  const { bytesRead } = await file.read(into, 0, into.length, position);
  if (bytesRead !== into.length) throw new RunError('images: the file is shorter than it was');
}

/** Converts words between memory and little-endian bytes: on nearly every machine they are the same. */
function littleEndian(words: Uint32Array): Uint8Array {
  const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
  return endianness() === 'LE' ? bytes : bytes.swap32();
}
