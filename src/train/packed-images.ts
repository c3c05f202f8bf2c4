/**
 * The images of a run in one file, for workers: u8 [count, size, size, channels], or f32 latents, each followed by those of its mirror image if
 * the run mirrors; then, if there are classes, u32 labels, one per image.
 */
import type { FileHandle } from 'node:fs/promises';
import { endianness } from 'node:os';
import type { BatchImages } from '../contracts/trainer.js';
import type { Classes } from '../data/classes.js';
import type { RunImages } from '../data/run-images.js';
import { RunError } from '../errors.js';
import { writeAtomically, writeFully } from '../io/atomic.js';
import { openPlain } from '../io/plain-file.js';
import { bytesOfImage } from '../queue/train-job.js';

/** Images per read and write. */
const PIECE = 256;

type Shape = Pick<RunImages, 'count' | 'size' | 'channels' | 'latents'>;

/** Writes a data set to a file. @throws RunError */
export function packImages(path: string, dataset: RunImages): Promise<void> {
  const { count, classes } = dataset;
  return writeAtomically(path, async (file) => {
    for (let first = 0; first < count; first += PIECE) {
      const images = Math.min(PIECE, count - first);
      for (const part of await piece(dataset, first, images)) await writeFully(file, part);
    }
    if (classes) await writeFully(file, littleEndian(Uint32Array.from(classes.labels)));
  });
}

/** The bytes of some images, in order. */
async function piece(dataset: RunImages, first: number, count: number): Promise<Uint8Array[]> {
  const indices = Uint32Array.from({ length: count }, (_, i) => first + i);
  const { pixels, latents } = await dataset.batch(indices);
  if (pixels) return [pixels];
  const views = [latents];
  if (dataset.latents?.mirrored) {
    const mirrored = await dataset.batch(indices, new Uint32Array(count).fill(1));
    views.push(mirrored.latents!);
  }
  const each = latents.length / count;
  return Array.from(indices, (_, i) =>
    views.map((view) => littleEndian(wordsOf(view.subarray(i * each, (i + 1) * each)))),
  ).flat();
}

/** An open file of packed images. */
export class PackedImages {
  readonly classes: Classes | null;
  private readonly file: FileHandle;
  private readonly shape: Shape;

  private constructor(file: FileHandle, shape: Shape, classes: Classes | null) {
    this.file = file;
    this.shape = shape;
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
      if (!names) return new PackedImages(file, shape, null);
      const labels = new Uint32Array(count);
      const bytes = new Uint8Array(labels.buffer);
      await readFully(file, bytes, count * bytesOfImage(shape));
      littleEndian(labels);
      const wrong = labels.find((label) => label >= names.length);
      if (wrong !== undefined)
        throw new RunError(`${path}: expected labels below ${names.length}, got ${wrong}`);
      return new PackedImages(file, shape, { names, labels: Int32Array.from(labels) });
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** The images with these indices, in order; see `RunImages`. */
  async batch(indices: Uint32Array, flips: Uint32Array): Promise<BatchImages> {
    const { size, channels, latents } = this.shape;
    const each = size * size * channels;
    if (latents === null) return { pixels: await this.read(indices, each), flips };
    const views = latents.mirrored ? 2 : 1;
    const view = indices.map((image, i) => image * views + flips[i]!);
    const bytes = await this.read(view, 4 * each);
    littleEndian(wordsOf(bytes));
    return { latents: new Float32Array(bytes.buffer) };
  }

  /** Records of some bytes. */
  private async read(records: Uint32Array, each: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(records.length * each);
    for (const [i, record] of records.entries())
      await readFully(this.file, bytes.subarray(i * each, (i + 1) * each), record * each);
    return bytes;
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

async function readFully(file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  const { bytesRead } = await file.read(into, 0, into.length, position);
  if (bytesRead !== into.length) throw new RunError('images: the file is shorter than it was');
}

const wordsOf = ({ buffer, byteOffset, byteLength }: Uint8Array | Float32Array): Uint32Array =>
  new Uint32Array(buffer, byteOffset, byteLength / 4);

/** Converts words between memory and little-endian bytes: on nearly every machine they are the same. */
function littleEndian(words: Uint32Array): Uint8Array {
  const bytes = Buffer.from(words.buffer, words.byteOffset, words.byteLength);
  return endianness() === 'LE' ? bytes : bytes.swap32();
}
