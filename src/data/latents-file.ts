/** A file of latents: f32 in this machine's byte order, image after image, then the SHA-256 of these bytes. */
import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { RunError } from '../errors.js';
import { writeAtomically, writeFully } from '../io/atomic.js';
import { openPlain } from '../io/plain-file.js';
import { bytesOf } from '../io/tensor-data.js';

/** Bytes of the checksum, and per read of it. */
const SUM = 32;
const CHUNK = 1 << 20;

/** Writes a file whole or not at all. @throws RunError if it cannot be written; errors of `parts` */
export function writeLatents(path: string, parts: AsyncIterable<Float32Array>): Promise<void> {
  return writeAtomically(path, async (file) => {
    const hash = createHash('sha256');
    for await (const part of parts) {
      hash.update(bytesOf(part));
      await writeFully(file, bytesOf(part));
    }
    await writeFully(file, hash.digest());
  });
}

/** A complete file, open for reading. */
export class LatentsFile {
  readonly path: string;
  readonly #file: FileHandle;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Opens a file of so many numbers; undefined if there is none, or it has another length or is damaged. */
  static async open(path: string, values: number): Promise<LatentsFile | undefined> {
    const file = await openPlain(path).catch(() => undefined);
    if (!file) return undefined;
    if (await isSound(file, 4 * values).catch(() => false)) return new LatentsFile(path, file);
    await file.close();
    return undefined;
  }

  /** Reads numbers from the `first` on, as many as there is place for. @throws RunError if they cannot be read any more */
  async read(first: number, out: Float32Array): Promise<void> {
    const bytes = bytesOf(out);
    for (let at = 0; at < bytes.length; ) {
      const { bytesRead } = await this.#file
        .read(bytes, at, bytes.length - at, 4 * first + at)
        .catch((error: unknown) => {
          throw new RunError(`cannot read ${this.path}: ${(error as Error).message}`);
        });
      if (bytesRead === 0) throw new RunError(`${this.path}: the file is shorter than it was`);
      at += bytesRead;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** Whether a file has so many bytes, and their checksum behind them. */
async function isSound(file: FileHandle, length: number): Promise<boolean> {
  if ((await file.stat()).size !== length + SUM) return false;
  const hash = createHash('sha256');
  const chunk = Buffer.alloc(Math.max(SUM, Math.min(length, CHUNK)));
  for (let at = 0; at < length; ) {
    const { bytesRead } = await file.read(chunk, 0, Math.min(chunk.length, length - at), at);
    if (bytesRead === 0) return false;
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
  const { bytesRead } = await file.read(chunk, 0, SUM, length);
  return bytesRead === SUM && hash.digest().equals(chunk.subarray(0, SUM));
}
