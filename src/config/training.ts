import { resolve } from 'node:path';
import { GIVEN } from '../data/given.js';
import { TOY_CARS } from '../data/toy-cars.js';
import { UsageError } from '../errors.js';
import { classesFlag, labelDropoutFlag } from './classes.js';
import type { DataConfig, Fit, HeldOut, TrainingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import { growthFlags, readGrowth } from './growth.js';
import { keptGuideFlag, readKeptGuide } from './kept-guide.js';
import { MOST_BATCH } from './limits.js';
import { OPTIMIZER_DEFAULTS, optimizerFlags, readOptimizer } from './optimizer.js';
import { readReplicas, replicaFlags } from './replicas.js';
import { parseDecimal, quote, type Source } from './source.js';
import { readTargets } from './targets.js';

export { OPTIMIZER_DEFAULTS, optimizerOf, withTraining } from './optimizer.js';

/** The settings that `readOptimizer` reads. */
type OptimizerSettings = Pick<TrainingConfig, 'lr' | keyof typeof OPTIMIZER_DEFAULTS>;

export const dataFlags: Flags = {
  fit: {
    describe: 'Make images square by stretching or by cropping',
    value: 'squash|crop',
    default: 'squash',
  },
  flip: {
    describe: 'Mirror half of the images at random; --no-flip turns it off',
    default: 'on',
    negatable: true,
  },
  autoencoder: {
    describe:
      "Train on the latents of this AutoencoderKL or AutoencoderTiny, a folder of diffusers: --size is theirs, the pictures' is 8 times as much for most",
    value: 'FOLDER',
    default: 'none: on pixels',
  },
  ...classesFlag,
  ...labelDropoutFlag,
  'held-out': {
    describe:
      'Held-out images, whose loss is logged every epoch: a separate folder, or a share of the data',
    value: 'FOLDER|FRACTION',
  },
  'data-budget': {
    describe: 'Memory for decoded images in MiB; larger data sets are streamed',
    value: 'N',
    default: 'a quarter of the available memory',
  },
};

/** Length, start and files of a run. */
export const lengthFlags: Flags = {
  epochs: { describe: 'Length of the run, resumes included', value: 'N', default: '100' },
  steps: { describe: 'The same in steps', value: 'N' },
  minutes: {
    describe:
      'The same in minutes: some steps are timed first, and the resulting number of steps is kept',
    value: 'X',
  },
  init: {
    describe:
      'Start from these weights: a file (.safetensors, .pt, .pth, .bin), or a run or a diffusers folder, which also give the network, the forward process and what is predicted',
    value: 'FILE|FOLDER',
  },
  'save-every': {
    describe: 'Steps between checkpoints; 0: only one at the end',
    value: 'N',
    default: '500',
  },
  'sample-every': { describe: 'Steps between sample grids; 0: none', value: 'N', default: '500' },
  keep: { describe: 'Number of checkpoints to keep', value: 'N', default: '3' },
};

/** What a step does. */
export const stepFlags: Flags = {
  batch: { describe: 'Images per step', value: 'N', default: "the preset's" },
  ...optimizerFlags,
  'zero-init': {
    describe:
      'Initialise layers to zero, so that each block starts as the identity: conv2, conv_out and to_out of a unet2d; norm1.linear, proj_out_1 and proj_out_2 of a dit',
    negatable: true,
  },
  ...growthFlags,
  ...keptGuideFlag,
};

export const trainingFlags: Flags = { ...lengthFlags, ...stepFlags, ...replicaFlags };

export const DATA_DEFAULTS: Omit<DataConfig, 'source'> = {
  fit: 'squash',
  flip: true,
  heldOut: null,
  classes: null,
};

export const TRAINING_DEFAULTS: Omit<TrainingConfig, 'batch'> = {
  lr: 1e-3,
  ...OPTIMIZER_DEFAULTS,
  epochs: 100,
  steps: null,
  saveEvery: 500,
  sampleEvery: 500,
  keep: 3,
  init: null,
};

/** `toy-cars` itself, the marker for images from a program, or the absolute path. */
export const dataSource = (source: string): string =>
  source === TOY_CARS || source === GIVEN ? source : resolve(source);

/** The data settings that a source gives; `heldOut` is passed in, since its form differs by source. */
export function readData(source: Source, heldOut: HeldOut | undefined): Partial<DataConfig> {
  const autoencoder = source.text('autoencoder');
  return given<Omit<DataConfig, 'source' | 'classes'>>({
    fit: readFit(source),
    flip: source.boolean('flip'),
    heldOut,
    autoencoder: autoencoder === undefined ? undefined : resolve(autoencoder),
  });
}

/**
 * `--held-out`: a number is a fraction in (0, 1), anything else is a path of images. A folder with such a name
 * can be written `./0.1`.
 */
export function readHeldOut(text: string | undefined): HeldOut | undefined {
  if (text === undefined) return undefined;
  if (Number.isNaN(Number(text.replace(/%$/, '')))) return { source: dataSource(text) };
  const fraction = parseDecimal(text);
  if (fraction > 0 && fraction < 1) return { fraction };
  throw new UsageError(
    `--held-out: expected a folder, or a fraction above 0 and below 1, got ${quote(text)}`,
  );
}

/** The training settings that a source gives. @throws UsageError for an invalid one */
export function readTraining(source: Source): Partial<TrainingConfig> {
  const epochs = source.whole('epochs', { min: 1, max: 1e9 });
  const steps = source.whole('steps', { min: 1, max: 1e9 });
  if (epochs !== undefined && steps !== undefined)
    throw new UsageError('--epochs and --steps: both give the length of the run; give only one');
  const init = source.text('init');
  return {
    ...readOptimizer(source),
    ...readTargets(source),
    ...readReplicas(source),
    ...given<
      Omit<
        TrainingConfig,
        'epochs' | 'steps' | Exclude<keyof OptimizerSettings, 'zeroInit' | 'grow' | 'keepGuide'>
      >
    >({
      batch: readBatch(source),
      saveEvery: source.whole('saveEvery', { min: 0, max: 1e9 }),
      sampleEvery: source.whole('sampleEvery', { min: 0, max: 1e9 }),
      zeroInit: source.boolean('zeroInit'),
      grow: readGrowth(source),
      keepGuide: readKeptGuide(source),
      keep: source.whole('keep', { min: 1, max: 1e6 }),
      init: init === undefined ? undefined : resolve(init),
    }),
    ...((epochs ?? steps) !== undefined && { epochs: epochs ?? null, steps: steps ?? null }),
  };
}

/**
 * The length of a new run in minutes.
 * @throws UsageError together with another length, and on a resume, whose length is already in steps
 */
export function readMinutes(source: Source, resume: boolean): number | undefined {
  const minutes = source.real('minutes', { above: 0, max: 1e6 });
  if (minutes === undefined) return undefined;
  const other = (['steps', 'epochs'] as const).find((name) => source.has(name));
  if (other !== undefined)
    throw new UsageError(
      `${source.where('minutes')} and ${source.where(other)}: both give the length of the run; give only one`,
    );
  if (!resume) return minutes;
  throw new UsageError(
    `${source.where('minutes')}: belongs to a new run; a resume takes the total --steps or --epochs`,
  );
}

export const readFit = (source: Source): Fit | undefined => source.oneOf('fit', ['squash', 'crop']);

export const readBatch = (source: Source): number | undefined =>
  source.whole('batch', { min: 1, max: MOST_BATCH });

/** `--data-budget` in bytes. */
export function readDataBudget(source: Source): number | undefined {
  const mebibytes = source.whole('dataBudget', { min: 0, max: 1_048_576 });
  return mebibytes === undefined ? undefined : mebibytes * 2 ** 20;
}
