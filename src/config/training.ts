import { resolve } from 'node:path';
import { ADAM, type Optimizer } from '../contracts/device.js';
import { TOY_CARS } from '../data/toy-cars.js';
import { UsageError } from '../errors.js';
import type { DataConfig, Fit, HeldOut, TrainingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import { parseDecimal, quote, type Source } from './source.js';

export const dataFlags: Flags = {
  fit: {
    describe: 'Make images square by stretching or by cutting',
    value: 'squash|crop',
    default: 'squash',
  },
  flip: {
    describe: 'Mirror half of the images at random; --no-flip does not',
    default: 'on',
    negatable: true,
  },
  'held-out': {
    describe: 'Images kept aside, whose loss is logged every epoch: others, or a share of the data',
    value: 'FOLDER|FRACTION',
  },
  'data-budget': {
    describe:
      'Memory for decoded images in MiB; more are streamed, as are those there is no room for',
    value: 'N',
    default: 'a quarter of what the process may have',
  },
};

const ADAM_BETAS = [ADAM.beta1, ADAM.beta2] as const;

/** PyTorch's default of AdamW. */
const ADAMW_DECAY = 0.01;

export const trainingFlags: Flags = {
  batch: { describe: 'Images a step', value: 'N', default: "the preset's" },
  lr: { describe: "The optimizer's step size", value: 'X', default: '0.001' },
  optimizer: {
    describe: 'Adam, or AdamW, which has a weight decay',
    value: 'adam|adamw',
    default: 'adam',
  },
  betas: {
    describe: 'How much both moments keep of themselves in a step',
    value: 'X,X',
    default: ADAM_BETAS.join(','),
  },
  epsilon: {
    describe: 'What is added to the root of the second moment',
    value: 'X',
    default: '1e-8',
  },
  'weight-decay': {
    describe: 'Share of the weights that adamw takes off, times --lr',
    value: 'X',
    default: String(ADAMW_DECAY),
  },
  clip: {
    describe: 'Largest norm of all gradients together; larger ones are scaled',
    value: 'X',
    default: 'none',
  },
  epochs: { describe: 'Length of the run, resumes included', value: 'N', default: '100' },
  steps: { describe: 'The same in steps', value: 'N' },
  init: {
    describe:
      "Start from these weights: a file (.safetensors, .pt, .pth, .bin), a run, or diffusers' folder, whose network and schedule it takes",
    value: 'FILE|FOLDER',
  },
  'save-every': {
    describe: 'Steps between checkpoints; 0: one at the end',
    value: 'N',
    default: '500',
  },
  'sample-every': { describe: 'Steps between sample grids; 0: none', value: 'N', default: '500' },
  keep: { describe: 'Newest checkpoints kept', value: 'N', default: '3' },
};

export const DATA_DEFAULTS: Omit<DataConfig, 'source'> = {
  fit: 'squash',
  flip: true,
  heldOut: null,
};

/** What a run's optimizer was before it could be chosen, too. */
export const OPTIMIZER_DEFAULTS = {
  optimizer: 'adam',
  betas: ADAM_BETAS,
  epsilon: ADAM.epsilon,
  weightDecay: ADAM.decay,
  clip: ADAM.clip,
} as const satisfies Partial<TrainingConfig>;

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

/** `toy-cars` itself, or the absolute path. */
export const dataSource = (source: string): string =>
  source === TOY_CARS ? source : resolve(source);

/** The data settings that a source gives; `heldOut` reads that one, whose form differs by source. */
export function readData(source: Source, heldOut: HeldOut | undefined): Partial<DataConfig> {
  return given<Omit<DataConfig, 'source'>>({
    fit: readFit(source),
    flip: source.boolean('flip'),
    heldOut,
  });
}

/**
 * `--held-out`: what looks like a number is a fraction in (0, 1), anything else names images. A folder of such a name
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

/** The training settings that a source gives. @throws UsageError for one that cannot be. */
export function readTraining(source: Source): Partial<TrainingConfig> {
  const epochs = source.whole('epochs', { min: 1, max: 1e9 });
  const steps = source.whole('steps', { min: 1, max: 1e9 });
  if (epochs !== undefined && steps !== undefined)
    throw new UsageError(
      '--epochs and --steps: each gives the length of the run; give one of them',
    );
  const init = source.text('init');
  return {
    ...given<Omit<TrainingConfig, 'epochs' | 'steps'>>({
      batch: readBatch(source),
      lr: source.real('lr', { above: 0 }),
      optimizer: source.oneOf('optimizer', ['adam', 'adamw']),
      betas: source.reals('betas', { min: 0, below: 1 }, 2) as [number, number] | undefined,
      epsilon: source.real('epsilon', { above: 0 }),
      weightDecay: source.real('weightDecay', { min: 0 }),
      clip: source.real('clip', { above: 0 }),
      saveEvery: source.whole('saveEvery', { min: 0, max: 1e9 }),
      sampleEvery: source.whole('sampleEvery', { min: 0, max: 1e9 }),
      keep: source.whole('keep', { min: 1, max: 1e6 }),
      init: init === undefined ? undefined : resolve(init),
    }),
    ...((epochs ?? steps) !== undefined && { epochs: epochs ?? null, steps: steps ?? null }),
  };
}

/**
 * A run's training with the settings that were given in place of its own.
 * @throws UsageError for a weight decay of adam, which has none
 */
export function withTraining(
  base: TrainingConfig,
  settings: Partial<TrainingConfig>,
): TrainingConfig {
  const training = { ...base, ...settings };
  if (training.optimizer === 'adamw') {
    const chosen = settings.weightDecay !== undefined || base.optimizer === 'adamw';
    return chosen ? training : { ...training, weightDecay: ADAMW_DECAY };
  }
  if (settings.weightDecay)
    throw new UsageError('--weight-decay: belongs to --optimizer adamw; the optimizer is adam');
  return base.optimizer === 'adam' ? training : { ...training, weightDecay: 0 };
}

/** The optimizer as a device takes it. */
export const optimizerOf = ({ betas, epsilon, weightDecay, clip }: TrainingConfig): Optimizer => ({
  ...{ beta1: betas[0], beta2: betas[1], epsilon, decay: weightDecay, clip },
});

export const readFit = (source: Source): Fit | undefined => source.oneOf('fit', ['squash', 'crop']);

export const readBatch = (source: Source): number | undefined =>
  source.whole('batch', { min: 1, max: 65_536 });

/** `--data-budget` in bytes. */
export function readDataBudget(source: Source): number | undefined {
  const mebibytes = source.whole('dataBudget', { min: 0, max: 1_048_576 });
  return mebibytes === undefined ? undefined : mebibytes * 2 ** 20;
}
