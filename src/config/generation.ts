import { UsageError } from '../errors.js';
import { LABEL_BYTES, LARGEST_ARRAY } from '../io/array-file.js';
import { threadCount } from './computing.js';
import type { ComputingConfig, ModelConfig } from './config.js';
import { quote, type Source } from './source.js';

/** `png` is a file an image; the others one file for all. */
export const FORMATS = ['png', 'npz', 'safetensors'] as const;
export type Format = (typeof FORMATS)[number];

/** Part `index` (from 1) of `of`: a range of the image numbers. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** Which images are made, where they go, and who makes them. */
export interface GenerationConfig {
  /** Images of all shards together: the numbers 0 to count − 1. Default 64. E.g. `count: 1000`. */
  readonly count: number;
  readonly out: string;
  /** A file an image, or one for all. Default `png`. E.g. `format: 'npz'`. */
  readonly format: Format;
  /** Each makes batches of its own. Default `threads`, or all cores it may use. E.g. `workers: 4`. */
  readonly workers: number;
  /**
   * Images made at one time: at most so many, or with batch statistics exactly so many. Null (the default) is what suits the
   * device. E.g. `batch: 8`.
   */
  readonly batch: number | null;
  readonly shard: Shard;
  /**
   * Address of the Redis whose workers (`haze worker`) make the images; null (the default): this process does.
   * E.g. `queue: 'redis://host'`.
   */
  readonly queue?: string | null;
  /** Replace files that are not what the manifest says. Default false. E.g. `resume: true`. */
  readonly resume: boolean;
}

/** Images are numbered by 32 bits; this is less, so that a bit an image is little memory. */
const MOST_IMAGES = 100_000_000;

/** What to generate of a model. @throws UsageError for a setting that cannot be */
export function readGeneration(
  source: Source,
  computing: ComputingConfig,
): Omit<GenerationConfig, 'out'> {
  const queue = source.text('queue') ?? null;
  if (queue !== null) checkQueued(source, computing);
  return {
    queue,
    count: source.whole('count', { min: 1, max: MOST_IMAGES }) ?? 64,
    format: source.oneOf('format', FORMATS) ?? 'png',
    shard: readShard(source.text('shard')),
    workers: readWorkers(source, computing),
    batch: source.whole('batch', { min: 1, max: 65_536 }) ?? null,
    resume: source.boolean('resume') ?? false,
  };
}

/** @param labelled whether images have labels beside them. @throws UsageError for more images than a file of the format holds */
export function checkFormatHolds(
  { format, count }: Pick<GenerationConfig, 'format' | 'count'>,
  { size, channels }: ModelConfig,
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

/** @throws UsageError for settings of who computes, which are the workers' own, and for devices that workers do not have */
function checkQueued(source: Source, { device, arithmetic }: ComputingConfig): void {
  for (const name of ['workers', 'threads', 'wide'])
    if (source.has(name))
      throw new UsageError(
        `${source.where(name)}: belongs to haze worker where there is --queue; each has its own`,
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

/** Workers of the pool, which other commands call threads. */
function readWorkers(source: Source, computing: ComputingConfig): number {
  const workers = source.whole('workers', { min: 1, max: 256 });
  if (workers === undefined) return threadCount(computing);
  if (computing.threads !== null && computing.threads !== workers)
    throw new UsageError(
      `--workers: expected as many as --threads, ${computing.threads}, got ${workers}`,
    );
  return workers;
}
