/** Streams images chunk by chunk: one pass over them, in the memory of two chunks. */
import { imageBytes, type Target } from '../data/decode.js';
import { DecodePool } from '../data/decode-pool.js';
import type { Skipped, Source } from '../data/source.js';
import { UsageError } from '../errors.js';

/** Consecutive readable images. */
export interface Chunk {
  /** Their indices in the source. */
  readonly numbers: readonly number[];
  /** u8 [images, size, size, channels]. */
  readonly pixels: Uint8Array;
  /** Items of the source up to here, read or not. */
  readonly passed: number;
}

/** Largest number of bytes and images in a chunk. */
const CHUNK_BYTES = 32 << 20;
const CHUNK_IMAGES = 512;

export interface StreamOptions extends Target {
  readonly threads: number;
  readonly signal?: AbortSignal | undefined;
  /** Called for each file without a readable image. */
  readonly onSkipped: (skipped: Skipped) => void;
}

/**
 * The images of a source at one size. The next chunk is decoded while the current one is processed.
 * @throws UsageError if none can be read; the reason with which `signal` was aborted
 */
export async function* streamImages(
  source: Source,
  { size, channels, fit, threads, signal, onSkipped }: StreamOptions,
): AsyncGenerator<Chunk> {
  for (const skipped of source.skipped) onSkipped(skipped);
  const target: Target = { size, channels, fit };
  const each = imageBytes(target);
  const most = Math.max(1, Math.min(CHUNK_IMAGES, Math.floor(CHUNK_BYTES / each)));
  const pool = await DecodePool.open(target, threads);
  let read = 0;
  let reason: Skipped | undefined;
  const decode = async (begin: number): Promise<Chunk | undefined> => {
    if (begin >= source.count) return undefined;
    const count = Math.min(most, source.count - begin);
    const out = new SharedArrayBuffer(count * each);
    const { failures } = await pool.decode({
      count,
      item: (i) => source.item(begin + i),
      out,
      signal,
    });
    const failed = new Map(failures.map(({ item, reason }) => [item, reason]));
    const numbers = Array.from({ length: count }, (_, i) => i).filter((i) => !failed.has(i));
    for (const [item, why] of failed) {
      const skipped = { path: source.label(begin + item), reason: why };
      reason ??= skipped;
      onSkipped(skipped);
    }
    const pixels = new Uint8Array(numbers.length * each);
    for (const [k, i] of numbers.entries())
      pixels.set(new Uint8Array(out, i * each, each), k * each);
    return { numbers: numbers.map((i) => begin + i), pixels, passed: begin + count };
  };
  let next: Promise<Chunk | undefined> | undefined;
  try {
    next = decode(0);
    for (let chunk = await next; chunk; chunk = await next) {
      next = decode(chunk.passed);
      // It may fail while the chunk is processed; it is awaited after that.
      next.catch(() => undefined);
      read += chunk.numbers.length;
      if (chunk.numbers.length > 0) yield chunk;
    }
  } finally {
    await next?.catch(() => undefined);
    await pool.close();
  }
  if (read === 0)
    throw new UsageError(
      `${source.name}: none of its images can be read (${source.count})${reason ? `; ${reason.path}: ${reason.reason}` : ''}`,
    );
}

/** An image mirrored left to right: u8 [size, size, channels]. */
export function mirrored(image: Uint8Array, size: number, channels: number): Uint8Array {
  const out = new Uint8Array(image.length);
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let c = 0; c < channels; c++)
        out[(y * size + x) * channels + c] = image[(y * size + size - 1 - x) * channels + c]!;
  return out;
}
