/** `haze generate`: draws many images as files; each worker draws its own batches. */
import type { Args } from '../config/args.js';
import { readPictureShape } from '../config/autoencoder.js';
import {
  COMPUTING_DEFAULTS,
  checkComputing,
  readComputing,
  readRequireCuda,
  readSeed,
} from '../config/computing.js';
import { classNames } from '../config/condition.js';
import { checkGeneration, readGeneration } from '../config/generation.js';
import { readDrawn } from '../config/guide.js';
import { openModel } from '../config/open-model.js';
import { checkNorm, readSampling, SAMPLING_NAMES } from '../config/sampling.js';
import { generate } from '../generate/generate.js';
import type { GenerateOptions, GenerateProgress, GenerateResult } from '../generate/options.js';
import { printable } from '../printable.js';
import { plural, significant } from '../units.js';
import { interruptible } from './interrupt.js';
import { openProgress } from './progress.js';
import { hidePassword } from './queue-address.js';
import { print } from './text.js';

export async function run(args: Args): Promise<void> {
  const path = args.positional(
    'model',
    "a run, a checkpoint folder, diffusers' folder or a file of weights",
  );
  const options = await readOptions(path, args);
  const progress = openProgress('image');
  try {
    const result = await interruptible('stopping; finished images stay', (signal) =>
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
    print(`${summary(options, result)}\n`);
  } finally {
    progress.stop();
  }
}

async function readOptions(path: string, args: Args): Promise<GenerateOptions> {
  hidePassword(args);
  const computing = checkComputing({ ...COMPUTING_DEFAULTS, ...readComputing(args) });
  const generation = readGeneration(args, computing);
  const opened = await openModel(path, args);
  const { weights, model, autoencoder, diffusion, sampling, notes } = opened;
  const settings = args.renamed(SAMPLING_NAMES);
  checkNorm(settings, model);
  const { condition, guide } = await readDrawn(args, path, opened);
  checkGeneration(generation, readPictureShape(args, path, opened), condition !== null);
  return {
    ...{ weights, notes },
    ...{ model, autoencoder },
    diffusion,
    sampling: readSampling(settings, diffusion, sampling),
    ...{ condition, guide },
    classNames: classNames(opened),
    computing,
    seed: readSeed(args) ?? 0,
    ...generation,
    out: args.text('out') ?? 'generated',
    requireCuda: readRequireCuda(args),
  };
}

function pace({ imagesPerSecond, lost }: GenerateProgress): string {
  const rate = `${significant(imagesPerSecond)} images/s`;
  return lost === 0 ? rate : `${rate} · ${plural(lost, 'worker')} lost`;
}

function summary(
  { out, format, shard }: GenerateOptions,
  { made, kept, seconds, awaited }: GenerateResult,
): string {
  const folder = printable(out);
  const where = shard.of === 1 ? folder : `${folder} (shard ${shard.index} of ${shard.of})`;
  const pace =
    made > 0 ? ` in ${seconds.toFixed(1)} s, ${significant(made / seconds)} images/s` : '';
  const line = `${where}: ${made} images made${pace}; ${kept} kept`;
  if (format === 'png') return line;
  if (awaited === 0) return `${line}; all are in images.${format}`;
  return `${line}; ${awaited} images of other shards are missing, and the last shard writes images.${format}`;
}
