/**
 * A file of latents: f32 in this machine's byte order, image after image, in pieces of some images each, behind each of which is the
 * SHA-256 of its bytes. So a file that is not whole yet says what it holds.
 */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { RunError } from '../errors.js';
import { openPlain } from '../io/plain-file.js';
import { bytesOf } from '../io/tensor-data.js';

/** Bytes of a checksum. */
export const SUM = 32;

/** How many numbers a file holds, and how many of them each of its pieces; the last piece may have fewer. */
export interface Layout {
  readonly values: number;
  readonly piece: number;
}

/** Bytes of a whole file. */
export const bytesOfFile = ({ values, piece }: Layout): number =>
  4 * values + SUM * Math.ceil(values / piece);

/** The place of a number in a file, in bytes. */
export const placeOf = (value: number, { piece }: Layout): number =>
  4 * value + SUM * Math.floor(value / piece);

/** The checksum of a piece. */
export const sumOf = (piece: Float32Array): Buffer =>
  createHash('sha256').update(bytesOf(piece)).digest();

/** A whole file, open for reading. */
export class LatentsFile {
  readonly path: string;
  readonly #file: FileHandle;
  readonly #layout: Layout;

  private constructor(path: string, file: FileHandle, layout: Layout) {
    this.path = path;
    this.#file = file;
    this.#layout = layout;
  }

  /** Opens a file of that layout; undefined if there is none, or it has another length or is damaged. */
  static async open(path: string, layout: Layout): Promise<LatentsFile | undefined> {
    const file = await openPlain(path).catch(() => undefined);
    if (!file) return undefined;
    if (await isWhole(file, layout).catch(() => false)) return new LatentsFile(path, file, layout);
    await file.close();
    return undefined;
  }

  /**
   * Reads numbers of one piece from the `first` on, as many as there is place for.
   * @throws RunError if they cannot be read any more
   */
  async read(first: number, out: Float32Array): Promise<void> {
    const whole = await readAt(this.#file, bytesOf(out), placeOf(first, this.#layout)).catch(
      (error: unknown) => {
        throw new RunError(`cannot read ${this.path}: ${(error as Error).message}`);
      },
    );
    if (!whole) throw new RunError(`${this.path}: the file is shorter than it was`);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function isWhole(file: FileHandle, layout: Layout): Promise<boolean> {
  if ((await file.stat()).size !== bytesOfFile(layout)) return false;
  return (await soundValues(file, layout)) === layout.values;
}

/** How many numbers are in sound pieces, before the first that is not. @throws the system's error */
export async function soundValues(file: FileHandle, layout: Layout): Promise<number> {
  const { values } = layout;
  const piece = new Float32Array(Math.min(layout.piece, values));
  const sum = Buffer.alloc(SUM);
  for (let first = 0; first < values; first += layout.piece) {
    const part = piece.subarray(0, Math.min(layout.piece, values - first));
    const at = placeOf(first, layout);
    const isThere =
      (await readAt(file, bytesOf(part), at)) && (await readAt(file, sum, at + part.byteLength));
    if (!isThere || !sumOf(part).equals(sum)) return first;
  }
  return values;
}

/** Fills memory with a file's bytes from `at` on. Resolves to whether it has so many. */
async function readAt(file: FileHandle, bytes: Uint8Array, at: number): Promise<boolean> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, at + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}
