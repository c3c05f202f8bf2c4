/** The classes that a network is trained with; condition.ts has those that it draws. */
import { CLASS_KINDS, type ClassKind } from '../data/classes.js';
import { listNames } from '../data/list-names.js';
import { UsageError } from '../errors.js';
import { classRows, takesClasses } from '../network/classes.js';
import type { ModelConfig, RunClasses, RunConfig, TrainingConfig } from './config.js';
import type { Flags } from './flag.js';
import type { JsonObject } from './json.js';
import { kindsWith } from './network-fields.js';
import type { Source } from './source.js';

/** Default share of images trained without their class: Ho & Salimans (2022) found 0.1 and 0.2 best. */
const LABEL_DROPOUT = 0.1;

export const classesFlag: Flags = {
  classes: {
    describe:
      "Train a unet2d or dit with the images' classes: from subfolders, from labels (IDX files, CIFAR, arr_1 of a .npz), from the bodies of toy-cars, or whichever the data have",
    value: ['auto', ...CLASS_KINDS].join('|'),
    default: 'none',
  },
};

export const labelDropoutFlag: Flags = {
  'label-dropout': {
    describe: 'Share of images that are trained without their class, which --guidance needs',
    value: 'P',
    default: `${LABEL_DROPOUT} with --classes`,
  },
};

type OfClasses = Pick<TrainingConfig, 'labelDropout'>;

/**
 * A run's classes: the settings override what it had. Their names are known once the data are listed.
 * @throws UsageError for label dropout without classes
 */
export function readClasses(
  source: Source,
  had: RunClasses | null | undefined,
  training: OfClasses,
): { classes: RunClasses | null } & OfClasses {
  const asked = source.oneOf('classes', ['auto', ...CLASS_KINDS]);
  const kept = had && (asked === undefined || asked === 'auto' || asked === had.by);
  const classes = kept ? had : asked === undefined ? null : { by: asked, names: [] };
  const given = source.real('labelDropout', { min: 0, below: 1 });
  if (given !== undefined && !classes)
    throw new UsageError(
      `${source.where('labelDropout')}: belongs to --classes, which is not given`,
    );
  const usual = had ? training.labelDropout : classes ? LABEL_DROPOUT : 0;
  return { classes, labelDropout: given ?? usual };
}

/** The classes in a config.json. */
export const readRunClasses = (source: JsonObject): RunClasses => ({
  by: source.oneOf('by', ['auto', ...CLASS_KINDS])!,
  // None before the images are known.
  names: source.texts('names', 0)!,
});

/** @throws UsageError if the network cannot be conditioned on the run's classes, or expects classes that the run does not have */
export function checkClasses({
  model,
  data,
  training,
}: Pick<RunConfig, 'model' | 'data' | 'training'>): void {
  const told = classRows(model);
  if (!data.classes) {
    if (told !== null)
      throw new UsageError(
        `--num-classes: the network expects classes, got ${told}; --classes says where the images' classes come from`,
      );
    if (training.labelDropout > 0)
      throw new UsageError('--label-dropout: belongs to --classes, which is not given');
    return;
  }
  if (!takesClasses(model))
    throw new UsageError(
      `--classes: the network ${model.kind} does not support classes; use --network ${kindsWith('numClasses').join(' or ')}`,
    );
  const { names } = data.classes;
  if (names.length === 0 || told === 'timestep') return;
  const needed = classCount(names, training);
  if (told === needed) return;
  const none = training.labelDropout > 0 ? ' and one for no class (--label-dropout)' : '';
  throw new UsageError(
    `--classes: expected a network of ${needed} classes, ${names.length} of the images${none}, got ${told ?? 'none'}`,
  );
}

/** Rows of the network's class embedding; with label dropout the last stands for no class. */
const classCount = (names: readonly string[], { labelDropout }: OfClasses): number =>
  names.length + (labelDropout > 0 ? 1 : 0);

/** The run, once the names of its classes are known. @throws UsageError as `checkClasses` */
export function withClassNames(run: RunConfig, by: ClassKind, names: readonly string[]): RunConfig {
  const { model } = run;
  const told = { numClasses: classRows(model) ?? classCount(names, run.training) };
  const named = {
    ...run,
    data: { ...run.data, classes: { by, names } },
    model: takesClasses(model) ? ({ ...model, ...told } as ModelConfig) : model,
  };
  checkClasses(named);
  return named;
}

/** The number and names of a run's classes, and the share of images without, in one line. */
export function classesInWords({ data, training }: Pick<RunConfig, 'data' | 'training'>): string {
  const { by, names } = data.classes ?? { by: 'auto', names: [] };
  const share = Number((100 * training.labelDropout).toPrecision(3));
  const without = share > 0 ? `; ${share} % of the images are trained without` : '';
  return `${names.length}, by ${by}: ${listNames(names)}${without}`;
}
