import { type FileHandle, open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ArrayFormat, arrayStart, writeArray } from '../io/array-file.js';
import {
  asRunError,
  LARGEST_CALL,
  remove,
  sync,
  systemCode,
  writeAtomically,
  writeFully,
} from '../io/atomic.js';
import { hashFile, sha256 } from '../io/hash.js';
import { checkPlain } from '../io/plain-file.js';
import { isFile } from '../io/run.js';
import type { ImageRange } from './image-range.js';
import { atOneFile } from './locks.js';
import { listFolder } from './manifest.js';
import type { Condition, Store } from './store.js';
import { clearTemporaries } from './temporaries.js';

/** A file with consecutive images, from an offset on. */
interface Source {
  readonly file: FileHandle;
  readonly start: number;
}

/** Bytes per read. */
const CHUNK = Math.min(1 << 22, LARGEST_CALL);

/**
 * All images in one file, written at the end. Until then each is at its offset in `images.part`, a sparse file that all
 * shards share; a hash in a manifest says that an image is there.
 */
export class ArrayStore implements Store {
  readonly name: string;
  private readonly out: string;
  private readonly format: ArrayFormat;
  private readonly shape: readonly [height: number, width: number, channels: number];
  private readonly each: number;
  /** The class of an image; null without classes. */
  private readonly labelOf: ((image: number) => number) | null;
  private part: FileHandle | undefined;
  private source: Promise<Source | undefined> | undefined;

  constructor(
    out: string,
    format: ArrayFormat,
    { size, channels }: { size: number; channels: number },
    labelOf: ((image: number) => number) | null = null,
  ) {
    this.labelOf = labelOf;
    this.out = out;
    this.format = format;
    this.name = `images.${format}`;
    this.shape = [size, size, channels];
    this.each = size * size * channels;
  }

  file(): string {
    return this.name;
  }

  /** Reads the image from the part, else from the finished file. */
  async check(image: number, hash: string): Promise<Condition> {
    this.source ??= this.openSource();
    const source = await this.source;
    if (!source) return 'missing';
    const pixels = Buffer.alloc(this.each);
    const at = source.start + image * this.each;
    const { bytesRead } = await source.file.read(pixels, 0, this.each, at);
    if (bytesRead < this.each) return 'missing';
    return sha256(pixels) === hash ? 'sound' : 'damaged';
  }

  async occupied(): Promise<string | undefined> {
    const names = await listFolder(this.out);
    return [this.name, PART].find((name) => names.includes(name));
  }

  async begin(_: ImageRange): Promise<void> {
    await atOneFile(this.out, () => this.openPart());
  }

  async write(image: number, pixels: Uint8Array): Promise<string> {
    try {
      for (let at = 0; at < pixels.length; ) {
        const rest = pixels.length - at;
        at += (await this.part!.write(pixels, at, rest, image * this.each + at)).bytesWritten;
      }
      return sha256(pixels);
    } catch (error) {
      throw asRunError(this.partPath, error);
    }
  }

  async close(): Promise<void> {
    const { part } = this;
    this.part = undefined;
    await part?.close();
    await this.closeSource();
  }

  /** SHA-256 of the finished file, if it exists. */
  async finishedHash(): Promise<string | undefined> {
    return (await isFile(this.path)) ? hashFile(this.path) : undefined;
  }

  /**
   * Writes images 0 to count − 1, which must all be intact, as the finished file. Only one process at a time may do this
   * (`atOneFile`). Resolves to the file's SHA-256.
   */
  async finish(count: number): Promise<string> {
    await this.openPart();
    await sync(this.part!);
    const range = { start: 0, end: count * this.each };
    const { labelOf } = this;
    const labels = labelOf && { count, of: labelOf };
    const shape = [count, ...this.shape];
    return writeArray(this.path, this.format, shape, read(this.part!, range), labels);
  }

  /** Removes the part, once a manifest lists the finished file. */
  async removePart(): Promise<void> {
    await this.close();
    await remove(this.partPath);
  }

  private get path(): string {
    return join(this.out, this.name);
  }

  private get partPath(): string {
    return join(this.out, PART);
  }

  private async openSource(): Promise<Source | undefined> {
    const part = await openIfThere(this.partPath, 'r');
    if (part) return { file: part, start: 0 };
    const file = await openIfThere(this.path, 'r');
    return file && { file, start: await arrayStart(file, this.format) };
  }

  private async closeSource(): Promise<void> {
    const source = await this.source;
    this.source = undefined;
    await source?.file.close();
  }

  /**
   * Opens the part for writing. A new one starts with the images of a finished file that is to hold more or that
   * has been damaged; it is created with all of them, or not at all.
   */
  private async openPart(): Promise<void> {
    const files = [this.name, PART];
    // Shards on other machines may be writing, and the lock may not reach them.
    await clearTemporaries(this.out, (base) => (files.includes(base) ? "another's" : undefined));
    await this.closeSource();
    this.part ??= await openIfThere(this.partPath, 'r+');
    if (this.part) return;
    const source = await this.openSource();
    try {
      await writeAtomically(this.partPath, async (part) => {
        if (source) await copyRest(source, part);
      });
      this.part = await openIfThere(this.partPath, 'r+');
    } finally {
      await source?.file.close();
    }
  }
}

const PART = 'images.part';

async function openIfThere(path: string, flags: 'r' | 'r+'): Promise<FileHandle | undefined> {
  try {
    checkPlain(path, await stat(path));
    return await open(path, flags);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw asRunError(path, error);
  }
}

async function copyRest({ file, start }: Source, to: FileHandle): Promise<void> {
  const { size } = await file.stat();
  for await (const chunk of read(file, { start, end: size })) await writeFully(to, chunk);
}

/** The bytes [start, end) of a file, piece by piece. The pieces share one buffer. */
async function* read(
  file: FileHandle,
  { start, end }: { start: number; end: number },
): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.alloc(CHUNK);
  for (let at = start; at < end; ) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (bytesRead === 0) throw new RangeError('a file ended early');
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}
