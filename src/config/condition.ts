/** Which classes a network is told of the images that it draws, and how strongly. */
import { listNames } from '../data/list-names.js';
import type { Condition } from '../diffusion/guidance.js';
import { UsageError } from '../errors.js';
import { MOST_LABEL } from '../network/limits.js';
import type { ClassLabels } from './class-labels.js';
import type { DataConfig, ModelConfig, TrainingConfig } from './config.js';
import type { Flags } from './flag.js';
import { parseDecimal, quote, type Source, suggestion } from './source.js';

export const conditionFlags: Flags = {
  class: {
    describe:
      'Of a model of classes: those that images take in turn, by name (with a comma in it: in double quotes) or number; none draws without one',
    value: 'NAME,…',
    default: 'all',
  },
  guidance: {
    describe:
      'How strongly images follow their classes (e.g. 3), or move away from --guide; 1 does not guide',
    value: 'W',
    default: '1, with a guide 2',
  },
  guide: {
    describe:
      'Weaker weights that --guidance moves away from, e.g. an earlier checkpoint; none takes none',
    value: 'MODEL',
    default: 'what --keep-guide kept of the run',
  },
};

/** Names of the settings, for programs. */
export const CONDITION_SETTINGS = ['class', 'guidance', 'guide'] as const;

/** A model of whose images classes are told. */
export interface Conditional {
  readonly model: ModelConfig;
  /** Of its run; null for what is of none. */
  readonly run: {
    readonly data: Pick<DataConfig, 'classes'>;
    readonly training: Pick<TrainingConfig, 'labelDropout'>;
  } | null;
  /** What a folder of diffusers, or a website, says of its classes; without both they have no names. */
  readonly classLabels?: ClassLabels | null;
}

/**
 * What a model is told of the images that it draws; null for one that is told nothing.
 * @param path the model, for messages
 * @throws UsageError for a class that it does not have, for guidance without images of no class, and for either of a model
 *   without classes
 */
export function readCondition(
  source: Source,
  path: string,
  of: Conditional,
  guidedBy: 'classes' | 'other weights' = 'classes',
): Condition | null {
  const asked = source.texts('class');
  const byClasses = guidedBy === 'classes';
  const guidance = byClasses ? source.real('guidance', { min: 0, max: 1000 }) : 1;
  const known = classesOf(of);
  if (!known) {
    if (asked)
      throw new UsageError(`${source.where('class')}: ${path} was trained without classes`);
    if (guidance === undefined || guidance === 1) return null;
    throw new UsageError(
      `${source.where('guidance')}: ${path} was trained without classes; expected ${source.where('guide')} beside it`,
    );
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

/** W with other weights unless something else is asked for. */
export const USUAL_GUIDANCE = 2;

/** What is told of images, and W where other weights guide them. */
export interface Guided {
  readonly condition: Condition | null;
  /** Null where other weights do not guide. */
  readonly guidance: number | null;
}

/**
 * Classes and guidance of what is drawn, where other weights may guide it: then classes do not.
 * @param hasOther whether there are other weights
 * @param usual W with them unless `guidance` says so
 * @throws UsageError as `readCondition`
 */
export function readGuided(
  source: Source,
  path: string,
  of: Conditional,
  hasOther: boolean,
  usual = USUAL_GUIDANCE,
): Guided {
  const guidance = source.real('guidance', { min: 0, max: 1000 }) ?? usual;
  if (!hasOther || guidance === 1)
    return { condition: readCondition(source, path, of), guidance: null };
  return { condition: readCondition(source, path, of, 'other weights'), guidance };
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

/** What a model's labels mean, where its run or folder says so. */
export function classLabelsOf({ run, classLabels = null }: Conditional): ClassLabels | null {
  if (!run?.data.classes) return classLabels;
  const { names } = run.data.classes;
  return { names, none: run.training.labelDropout > 0 ? names.length : null };
}

/** The classes that a model is told, whose names are empty where any number is one; null for one that is told none. */
export function classesOf(of: Conditional): ClassLabels | null {
  if (of.model.kind !== 'unet2d' || of.model.numClasses === null) return null;
  return { names: classNames(of), none: classLabelsOf(of)?.none ?? null };
}

/** Names of a model's classes: those of its run or folder, else their numbers. */
export function classNames(of: Conditional): readonly string[] {
  const labels = classLabelsOf(of);
  if (labels) return labels.names;
  const { model } = of;
  const count = model.kind === 'unet2d' ? model.numClasses : null;
  return typeof count === 'number' ? Array.from({ length: count }, (_, i) => String(i)) : [];
}

/** The name of a label. */
export const nameOfLabel = (names: readonly string[], label: number): string =>
  names[label] ?? (names.length > 0 ? 'none' : String(label));

/** A class by its name, or its number where none is called so. */
function labelNamed(where: string, text: string, { names, none }: ClassLabels): number {
  const named = names.indexOf(text);
  if (named >= 0) return named;
  const number = parseDecimal(text);
  const most = names.length > 0 ? names.length - 1 : MOST_LABEL;
  if (Number.isInteger(number) && number >= 0 && number <= most) return number;
  if (text === 'none' && none !== null) return none;
  const known = names.length > 0 ? listNames(names) : `numbers from 0 to ${MOST_LABEL}`;
  const hint = Number.isNaN(number) ? suggestion(text, names) : '';
  throw new UsageError(`${where} has no class ${quote(text)}${hint}; it has ${known}`);
}
