/** Which classes a network is told: those of the images it is trained on, and those of the images that it draws. */
import { CLASS_KINDS, type ClassKind } from '../data/classes.js';
import type { Condition } from '../diffusion/guidance.js';
import { UsageError } from '../errors.js';
import type { DataConfig, ModelConfig, RunConfig, TrainingConfig } from './config.js';
import type { Flags } from './flag.js';
import { parseDecimal, quote, type Source, suggestion } from './source.js';

/** Share of images whose class is left out unless said otherwise: Ho & Salimans (2022) found 0.1 and 0.2 best. */
const LABEL_DROPOUT = 0.1;

export const classesFlag: Flags = {
  classes: {
    describe:
      "Tell a unet2d the images' classes: by sub-folders, by labels (of IDX files and CIFAR), by the bodies of toy-cars, or what there is",
    value: ['auto', ...CLASS_KINDS].join('|'),
    default: 'none',
  },
};

export const labelDropoutFlag: Flags = {
  'label-dropout': {
    describe: 'Share of images that --classes leaves without a class, which --guidance needs',
    value: 'P',
    default: `${LABEL_DROPOUT} with --classes`,
  },
};

/** Flags of what is drawn. */
export const conditionFlags: Flags = {
  class: {
    describe:
      'Of a model of classes: those that images take in turn, by name or number; none draws without one',
    value: 'NAME,…',
    default: 'all',
  },
  guidance: {
    describe: 'Of a model of classes: how strongly images follow theirs (e.g. 3); 1 does not guide',
    value: 'W',
    default: '1',
  },
};

/** Names of the settings, for programs. */
export const CONDITION_SETTINGS = ['class', 'guidance'] as const;

type RunClasses = DataConfig['classes'];
type OfClasses = Pick<TrainingConfig, 'labelDropout'>;

/**
 * A run's classes by the settings over what it had. Their names are known once the data are listed.
 * @throws UsageError for label dropout without classes
 */
export function readClasses(
  source: Source,
  had: RunClasses,
  training: OfClasses,
): { classes: NonNullable<RunClasses> | null } & OfClasses {
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

/** Those of a config.json. */
export const readRunClasses = (source: Source): RunClasses & object => ({
  by: source.oneOf('by', ['auto', ...CLASS_KINDS])!,
  names: source.texts('names')!,
});

/** @throws UsageError for a network that cannot be told a run's classes, or that is told some where the run has none */
export function checkClasses({
  model,
  data,
  training,
}: Pick<RunConfig, 'model' | 'data' | 'training'>): void {
  const told = model.kind === 'unet2d' ? model.numClasses : null;
  if (!data.classes) {
    if (told !== null)
      throw new UsageError(
        `--num-classes: the network is told classes, got ${told}; --classes says which the images are of`,
      );
    if (training.labelDropout > 0)
      throw new UsageError('--label-dropout: belongs to --classes, which is not given');
    return;
  }
  if (model.kind !== 'unet2d')
    throw new UsageError(
      `--classes: the network ${model.kind} cannot be told classes; use --network unet2d`,
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

/** Rows of the network's embedding; with label dropout the last stands for no class. */
const classCount = (names: readonly string[], { labelDropout }: OfClasses): number =>
  names.length + (labelDropout > 0 ? 1 : 0);

/** The run once its classes' names are known. @throws UsageError as `checkClasses` */
export function withClassNames(run: RunConfig, by: ClassKind, names: readonly string[]): RunConfig {
  const { model } = run;
  const numClasses = model.kind === 'unet2d' ? model.numClasses : null;
  const told = { numClasses: numClasses ?? classCount(names, run.training) };
  const named = {
    ...run,
    data: { ...run.data, classes: { by, names } },
    model: model.kind === 'unet2d' ? { ...model, ...told } : model,
  };
  checkClasses(named);
  return named;
}

/** A model of whose images classes are told. */
interface Conditional {
  readonly model: ModelConfig;
  /** Its run; null for what is of none, whose classes have no names. */
  readonly run: Pick<RunConfig, 'data' | 'training'> | null;
}

/**
 * What a model is told of the images that it draws; null for one that is told nothing.
 * @param path the model, for messages
 * @throws UsageError for a class that it does not have, for guidance without images of no class, and for either of a model
 *   without classes
 */
export function readCondition(source: Source, path: string, of: Conditional): Condition | null {
  const asked = source.texts('class');
  const guidance = source.real('guidance', { min: 0, max: 1000 });
  const known = classesOf(of);
  if (!known) {
    const [given] = CONDITION_SETTINGS.filter((name) => source.has(name));
    if (given === undefined) return null;
    throw new UsageError(`${source.where(given)}: ${path} was trained without classes`);
  }
  const { none } = known;
  if (guidance !== undefined && guidance !== 1 && none === null)
    throw new UsageError(
      `${source.where('guidance')}: ${path} knows no images without a class, as --label-dropout gives a run; expected 1, got ${guidance}`,
    );
  const where = source.where('class');
  const labels = asked?.map((text) => labelNamed(`${where}: ${path}`, text, known));
  if (!labels && known.names.length === 0)
    throw new UsageError(`${where}: ${path} does not say how many classes it has; expected some`);
  return { labels: labels ?? known.names.map((_, i) => i), guidance: guidance ?? 1, none };
}

/**
 * The labels that `class` names, for a network that is told each image's; undefined for one that is told none.
 * @throws UsageError for a class that is not there, for one of a model without, and where one is wanted and none named
 */
export function readLabels(source: Source, path: string, of: Conditional): number[] | undefined {
  if (!source.has('class') && classesOf(of))
    throw new UsageError(
      `${source.where('class')}: ${path} is told classes; expected that of the images`,
    );
  const condition = readCondition(source, path, of);
  return condition ? [...condition.labels] : undefined;
}

interface Known {
  /** By label; empty where any number is one. */
  readonly names: readonly string[];
  readonly none: number | null;
}

function classesOf({ model, run }: Conditional): Known | null {
  if (model.kind !== 'unet2d' || model.numClasses === null) return null;
  const names = classNames({ model, run });
  return { names, none: run && run.training.labelDropout > 0 ? names.length : null };
}

/** Names of a model's classes: a run's own, else their numbers. */
export function classNames({ model, run }: Conditional): readonly string[] {
  if (run?.data.classes) return run.data.classes.names;
  const count = model.kind === 'unet2d' ? model.numClasses : null;
  return typeof count === 'number' ? Array.from({ length: count }, (_, i) => String(i)) : [];
}

/** How many classes a run has, what they are called, and how often none is told, in a line. */
export function classesInWords({ data, training }: Pick<RunConfig, 'data' | 'training'>): string {
  const { by, names } = data.classes ?? { by: 'auto', names: [] };
  const share = Number((100 * training.labelDropout).toPrecision(3));
  const without = share > 0 ? `; ${share} % of the images go without` : '';
  return `${names.length}, by ${by}: ${listed(names)}${without}`;
}

/** The name of a label. */
export const nameOfLabel = (names: readonly string[], label: number): string =>
  names[label] ?? (names.length > 0 ? 'none' : String(label));

/** A class by its name, or its number where none is called so. */
function labelNamed(where: string, text: string, { names, none }: Known): number {
  const named = names.indexOf(text);
  if (named >= 0) return named;
  const number = parseDecimal(text);
  const most = names.length > 0 ? names.length - 1 : 999;
  if (Number.isInteger(number) && number >= 0 && number <= most) return number;
  if (text === 'none' && none !== null) return none;
  const hint = Number.isNaN(number) ? suggestion(text, names) : '';
  throw new UsageError(`${where} has no class ${quote(text)}${hint}; it has ${listed(names)}`);
}

/** Classes that a message lists. */
const LISTED = 12;

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'numbers from 0 to 999';
  const some = names.slice(0, LISTED).map(quote).join(', ');
  return names.length > LISTED ? `${some}, … (${names.length})` : some;
}
