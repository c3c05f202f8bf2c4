/**
 * A data set opened for training: u8 images of one size, either all decoded in shared memory or, if they
 * exceed the budget, decoded on request. Both give the same bytes.
 */
import { constants } from 'node:buffer';
import { UsageError } from '../errors.js';
import { allowedMemory } from '../machine/memory.js';
import type { Classes } from './classes.js';
import { imageBytes, type Target } from './decode.js';
import { DecodePool } from './decode-pool.js';
import type { Failure } from './decode-worker.js';
import { MOST_BYTES } from './decoding-memory.js';
import { ResidentDataset } from './resident.js';
import type { Skipped, Source } from './source.js';
import { StreamedDataset } from './streamed.js';

/** Images by index in [0, count); the same index is the same image in every run over the same files. */
export interface Dataset {
  /** For headers: the path, or `toy-cars`. */
  readonly name: string;
  /** Images that can be read. */
  readonly count: number;
  readonly size: number;
  readonly channels: 1 | 3;
  /** Files that contain no readable image, and why. */
  readonly skipped: readonly Skipped[];
  /** Images that may not look as intended, and why. */
  readonly doubtful: readonly Skipped[];
  /** The classes, by label, and the label of each image; null if none were requested. */
  readonly classes: Classes | null;
  /** Whether it is decoded once into shared memory, not streamed. */
  readonly resident: boolean;
  /**
   * Copies images `indices` as u8 [indices.length, size, size, channels] to the start of `out`.
   * @throws RunError if a file that was readable before no longer is
   */
  read(indices: ArrayLike<number>, out: Uint8Array): Promise<void>;
  /** Announces the next reads, nearest first, so that a streamed data set can decode them ahead. */
  ahead(batches: readonly ArrayLike<number>[]): void;
  /** Frees memory and workers; safe to call twice. */
  close(): Promise<void>;
}

export interface DatasetOptions extends Target {
  /** Classes of the source's items; default none. */
  readonly classes?: Classes | undefined;
  /**
   * Decoding workers. The decoding of files itself happens in libuv's threads, of which Node has four
   * unless it is started with another UV_THREADPOOL_SIZE.
   */
  readonly threads: number;
  /** Decoded images that take more than this are not kept in memory; see `defaultBudget`. */
  readonly budgetBytes?: number;
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborting it stops the decoding. */
  readonly signal?: AbortSignal | undefined;
}

/** A quarter of the memory available to this process, and no more than one buffer can hold. */
export function defaultBudget(): number {
  return Math.min(Math.floor(allowedMemory() / 4), constants.MAX_LENGTH);
}

/**
 * Decodes the images of a source. Each is decoded once here, so that unreadable files are known before the first
 * step, whatever the budget.
 * @throws UsageError if none of its images can be read; the reason with which `signal` was aborted
 */
export async function openDataset(source: Source, options: DatasetOptions): Promise<Dataset> {
  const { size, channels, fit, threads, signal, onProgress } = options;
  const bytes = source.count * imageBytes(options);
  const asked = Math.max(0, (options.budgetBytes ?? defaultBudget()) - (source.memoryBytes ?? 0));
  const budget = Math.min(asked, constants.MAX_LENGTH);
  const pixels = bytes <= budget ? new SharedArrayBuffer(bytes) : null;
  const inWork = Math.min(MOST_BYTES, defaultBudget());
  const pool = await DecodePool.open({ size, channels, fit }, threads, inWork);
  let streams = false;
  try {
    const { failures, doubts } = await pool.decode({
      count: source.count,
      item: (i) => source.item(i),
      out: pixels,
      onProgress: (done) => onProgress?.(done, source.count),
      signal,
    });
    const about = describe(source, failures, doubts, options);
    if (pixels) return new ResidentDataset(about, pixels, failures);
    streams = true;
    return new StreamedDataset(about, source, failures, pool, budget);
  } finally {
    if (!streams) await pool.close();
  }
}

/** The properties that both kinds of data set share. */
export type About = Pick<
  Dataset,
  'name' | 'count' | 'size' | 'channels' | 'skipped' | 'doubtful' | 'classes'
>;

function describe(
  source: Source,
  failures: readonly Failure[],
  doubts: readonly Failure[],
  { size, channels, classes }: DatasetOptions,
): About {
  const named = ({ item, reason }: Failure): Skipped => ({ path: source.label(item), reason });
  const skipped = [...source.skipped, ...failures.map(named)];
  const count = source.count - failures.length;
  const failed = new Set(failures.map(({ item }) => item));
  const ofImages = classes && {
    names: classes.names,
    labels: classes.labels.filter((_, item) => !failed.has(item)),
  };
  if (count > 0)
    return {
      ...{ name: source.name, count, size, channels, skipped },
      doubtful: doubts.map(named),
      classes: ofImages ?? null,
    };
  const first = skipped.at(-failures.length)!;
  throw new UsageError(
    `${source.name}: none of its images can be read (${source.count}); ${first.path}: ${first.reason}`,
  );
}
