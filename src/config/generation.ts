import { UsageError } from '../errors.js';
import { LABEL_BYTES, LARGEST_ARRAY } from '../io/array-file.js';
import { threadCount } from './computing.js';
import type { ComputingConfig } from './config.js';
import { USUAL_COUNT } from './drawing.js';
import { MOST_BATCH } from './limits.js';
import type { PictureShape } from './picture-shape.js';
import { quote, type Source } from './source.js';

/** `png` writes one file per image; the others one file for all. */
export const FORMATS = ['png', 'npz', 'safetensors'] as const;
export type Format = (typeof FORMATS)[number];

/** Part `index` (from 1) of `of`: a range of the image numbers. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** Which images are drawn, where they go, and who draws them. */
export interface GenerationConfig {
  /** Number of images over all shards; they are numbered 0 to count − 1. Default 64. E.g. `count: 1000`. */
  readonly count: number;
  readonly out: string;
  /** One file per image, or one for all. Default `png`. E.g. `format: 'npz'`. */
  readonly format: Format;
  /** Each draws its own batches. Default `threads`, or all cores it may use. E.g. `workers: 4`. */
  readonly workers: number;
  /**
   * Images at once: at most this many, or with batch statistics exactly this many. Null (the default) is what suits the
   * device. E.g. `batch: 8`.
   */
  readonly batch: number | null;
  readonly shard: Shard;
  /**
   * Address of the Redis whose workers (`haze worker`) draw the images; null (the default): this process draws them.
   * E.g. `queue: 'redis://host'`.
   */
  readonly queue?: string | null;
  /** Replace files that do not match the manifest. Default false. E.g. `resume: true`. */
  readonly resume: boolean;
}

/** Image numbers have 32 bits; this limit keeps one bit per image small. */
const MOST_IMAGES = 100_000_000;

/** The settings of `haze generate` for a model. @throws UsageError for an invalid one */
export function readGeneration(
  source: Source,
  computing: ComputingConfig,
): Omit<GenerationConfig, 'out'> {
  const queue = source.text('queue') ?? null;
  if (queue !== null) checkQueued(source, computing);
  return {
    queue,
    count: source.whole('count', { min: 1, max: MOST_IMAGES }) ?? USUAL_COUNT.generate,
    format: source.oneOf('format', FORMATS) ?? 'png',
    shard: readShard(source.text('shard')),
    workers: readWorkers(source, computing),
    batch: source.whole('batch', { min: 1, max: MOST_BATCH }) ?? null,
    resume: source.boolean('resume') ?? false,
  };
}

/**
 * @param labelled whether images have labels
 * @throws UsageError for more images than a file of the format can hold
 */
export function checkGeneration(
  { format, count }: Pick<GenerationConfig, 'format' | 'count'>,
  { size, channels }: PictureShape,
  labelled: boolean,
): void {
  if (format === 'png') return;
  const each = size * size * channels + (labelled ? LABEL_BYTES : 0);
  const most = Math.floor(LARGEST_ARRAY[format] / each);
  if (count > most)
    throw new UsageError(
      `--count: ${format} holds at most ${most} images of ${size}x${size}, got ${count}; safetensors holds more`,
    );
}

/** @throws UsageError for computing settings that each worker has itself, and for devices that workers do not support */
function checkQueued(source: Source, { device, arithmetic }: ComputingConfig): void {
  for (const name of ['workers', 'threads', 'wide'])
    if (source.has(name))
      throw new UsageError(
        `${source.where(name)}: belongs to haze worker when --queue is given; each worker has its own`,
      );
  for (const [name, got] of [
    ['device', device],
    ['arithmetic', arithmetic],
  ] as const)
    if (got !== 'wasm')
      throw new UsageError(
        `${source.where(name)}: expected wasm with --queue, whose bits are the same everywhere, got ${got}`,
      );
}

/** `2/5`. @throws UsageError */
function readShard(text: string | undefined): Shard {
  if (text === undefined) return { index: 1, of: 1 };
  const match = /^(\d{1,6})\/(\d{1,6})$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (index >= 1 && index <= of) return { index, of };
  throw new UsageError(
    `--shard: expected i/n with whole numbers and i from 1 to n, got ${quote(text)}`,
  );
}

/** Workers of the pool; other commands call them threads. */
function readWorkers(source: Source, computing: ComputingConfig): number {
  const workers = source.whole('workers', { min: 1, max: 256 });
  if (workers === undefined) return threadCount(computing);
  if (computing.threads !== null && computing.threads !== workers)
    throw new UsageError(
      `--workers: expected as many as --threads, ${computing.threads}, got ${workers}`,
    );
  return workers;
}
