/** `haze generate`: many images of a model as files, each worker making batches of its own. */
import type { Args } from '../config/args.js';
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readRequireCuda,
  readSeed,
  threadCount,
} from '../config/computing.js';
import type { ComputingConfig, ModelConfig } from '../config/config.js';
import { openModel } from '../config/open-model.js';
import { readSampling, SAMPLING_NAMES } from '../config/sampling.js';
import { quote } from '../config/source.js';
import { UsageError } from '../errors.js';
import { generate } from '../generate/generate.js';
import {
  FORMATS,
  type GenerateOptions,
  type GenerateProgress,
  type GenerateResult,
  type Shard,
} from '../generate/options.js';
import { LARGEST_ARRAY } from '../io/array-file.js';
import { interruptible } from './interrupt.js';
import { openProgress } from './progress.js';

/** Images are numbered by 32 bits; this is less, so that a bit an image is little memory. */
const MOST_IMAGES = 100_000_000;

export async function run(args: Args): Promise<void> {
  const path = args.positional('model', 'a run, a checkpoint folder or a .safetensors file');
  const options = await readOptions(path, args);
  const progress = openProgress('image');
  try {
    const result = await interruptible('stopping; what is finished stays', (signal) =>
      generate({
        ...options,
        signal,
        onEvent: (event) => {
          if (event.kind === 'note') progress.line(event.text);
          else progress.update(event.done, event.total, pace(event), event.exact);
        },
      }),
    );
    progress.stop();
    process.stdout.write(`${summary(options, result)}\n`);
  } finally {
    progress.stop();
  }
}

async function readOptions(path: string, args: Args): Promise<GenerateOptions> {
  const count = args.whole('count', { min: 1, max: MOST_IMAGES }) ?? 64;
  const format = args.oneOf('format', FORMATS) ?? 'png';
  const shard = readShard(args.text('shard'));
  const computing = checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(args) });
  const workers = readWorkers(args, computing);
  const batch = args.whole('batch', { min: 1, max: 65_536 }) ?? null;
  const { weights, model, diffusion } = await openModel(path, args);
  checkArrayFits(format, count, model);
  return {
    weights,
    model,
    diffusion,
    sampling: readSampling(args.renamed(SAMPLING_NAMES), diffusion.timesteps),
    computing,
    seed: readSeed(args) ?? 0,
    count,
    out: args.text('out') ?? 'generated',
    format,
    workers,
    batch,
    shard,
    resume: args.boolean('resume') ?? false,
    requireCuda: readRequireCuda(args),
  };
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
function readWorkers(args: Args, computing: ComputingConfig): number {
  const workers = args.whole('workers', { min: 1, max: 256 });
  if (workers === undefined) return threadCount(computing);
  if (computing.threads !== null && computing.threads !== workers)
    throw new UsageError(
      `--workers: expected as many as --threads, ${computing.threads}, got ${workers}`,
    );
  return workers;
}

function checkArrayFits(
  format: GenerateOptions['format'],
  count: number,
  { size, channels }: ModelConfig,
): void {
  if (format === 'png') return;
  const most = Math.floor(LARGEST_ARRAY[format] / (size * size * channels));
  if (count > most)
    throw new UsageError(
      `--count: ${format} holds at most ${most} images of ${size}x${size}, got ${count}; safetensors holds more`,
    );
}

function pace({ imagesPerSecond, lost }: GenerateProgress): string {
  const rate = `${imagesPerSecond.toPrecision(3)} images/s`;
  return lost === 0 ? rate : `${rate} · ${lost} worker${lost === 1 ? '' : 's'} lost`;
}

function summary(
  { out, format, shard }: GenerateOptions,
  { made, kept, seconds, awaited }: GenerateResult,
): string {
  const where = shard.of === 1 ? out : `${out} (shard ${shard.index} of ${shard.of})`;
  const pace =
    made > 0 ? ` in ${seconds.toFixed(1)} s, ${(made / seconds).toPrecision(3)} images/s` : '';
  const line = `${where}: ${made} images made${pace}; ${kept} kept`;
  if (format === 'png') return line;
  if (awaited === 0) return `${line}; all are in images.${format}`;
  return `${line}; ${awaited} images of other shards are missing, and the last shard writes images.${format}`;
}
