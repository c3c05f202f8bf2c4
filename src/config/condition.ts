/** The classes that a network is conditioned on when it draws, and the strength of the guidance. */

import { listNames } from '../data/list-names.js';
import type { Condition } from '../diffusion/guidance.js';
import { UsageError } from '../errors.js';
import { classRows } from '../network/classes.js';
import { MOST_LABEL } from '../network/limits.js';
import type { ClassLabels } from './class-labels.js';
import type { DataConfig, ModelConfig, TrainingConfig } from './config.js';
import type { Flags } from './flag.js';
import { GUIDANCE } from './limits.js';
import { parseDecimal, quote, type Source, suggestion } from './source.js';

/** Default W with a guide. */
export const USUAL_GUIDANCE = 1.5;

export const conditionFlags: Flags = {
  class: {
    describe:
      'Classes that the images take in turn, by name (in double quotes if it contains a comma) or, unless names are numbers, by number; none draws without a class',
    value: 'NAME,…',
    default: 'all',
  },
  guidance: {
    describe:
      'How strongly images follow their classes (e.g. 3), or move away from --guide; 1 does not guide',
    value: 'W',
    default: `1, with a guide ${USUAL_GUIDANCE}`,
  },
  guide: {
    describe:
      'Weaker weights that --guidance moves away from, e.g. an earlier checkpoint; none for no guide',
    value: 'MODEL',
    default: "the guide that the run's --keep-guide kept",
  },
};

/** Names of the settings, for programs. */
export const CONDITION_SETTINGS = ['class', 'guidance', 'guide'] as const;

/** A model that may be conditioned on classes. */
export interface Conditional {
  readonly model: ModelConfig;
  /** Of its run; null without a run. */
  readonly run: {
    readonly data: Pick<DataConfig, 'classes'>;
    readonly training: Pick<TrainingConfig, 'labelDropout'>;
  } | null;
  /** What a diffusers folder or a website says about its classes; without either they have no names. */
  readonly classLabels?: ClassLabels | null;
}

/**
 * The classes and guidance of the images that a model draws; null for an unconditional model.
 * @param path the model, for messages
 * @throws UsageError for an unknown class, for guidance by a model that cannot draw without a class, and for either with
 *   an unconditional model
 */
export function readCondition(
  source: Source,
  path: string,
  of: Conditional,
  guidedBy: 'classes' | 'other weights' = 'classes',
): Condition | null {
  const asked = source.texts('class');
  const byClasses = guidedBy === 'classes';
  const guidance = byClasses ? source.real('guidance', GUIDANCE) : 1;
  const known = classesOf(of);
  if (!known) {
    if (asked)
      throw new UsageError(`${source.where('class')}: ${path} was trained without classes`);
    if (guidance === undefined || guidance === 1) return null;
    throw new UsageError(
      `${source.where('guidance')}: ${path} was trained without classes, so it needs ${source.where('guide')}`,
    );
  }
  const { none } = known;
  if (guidance !== undefined && guidance !== 1 && none === null)
    throw new UsageError(
      `${source.where('guidance')}: ${path} was trained without --label-dropout, so classes cannot guide it; expected 1, got ${guidance}`,
    );
  const where = source.where('class');
  const labels = asked?.map((text) => labelNamed(`${where}: ${path}`, text, known));
  if (guidance !== undefined && guidance !== 1 && labels?.every((label) => label === none))
    throw new UsageError(
      `${source.where('guidance')}: images without a class have nothing to follow; expected 1 or another class, got ${guidance}`,
    );
  if (!labels && known.names.length === 0)
    throw new UsageError(
      `${where}: ${path} does not say how many classes it has, so a class must be given`,
    );
  return { labels: labels ?? known.names.map((_, i) => i), guidance: guidance ?? 1, none };
}

/** The condition of the images, and W if other weights guide them. */
export interface Guided {
  readonly condition: Condition | null;
  /** Null without a guide. */
  readonly guidance: number | null;
}

/**
 * Classes and guidance of the images. If a guide takes part, it replaces guidance by classes.
 * @param hasOther whether there is a guide
 * @param usual default W with a guide
 * @throws UsageError as `readCondition`
 */
export function readGuided(
  source: Source,
  path: string,
  of: Conditional,
  hasOther: boolean,
  usual = USUAL_GUIDANCE,
): Guided {
  const guidance = source.real('guidance', GUIDANCE) ?? usual;
  if (!hasOther || guidance === 1)
    return { condition: readCondition(source, path, of), guidance: null };
  return { condition: readCondition(source, path, of, 'other weights'), guidance };
}

/**
 * The labels that `class` names, for a class-conditional network; undefined for an unconditional one.
 * @throws UsageError for an unknown class, for a class with an unconditional model, and if a class is needed and none is given
 */
export function readLabels(source: Source, path: string, of: Conditional): number[] | undefined {
  if (!source.has('class') && classesOf(of))
    throw new UsageError(
      `${source.where('class')}: ${path} is class-conditional; expected the class of the images`,
    );
  const condition = readCondition(source, path, of);
  return condition ? [...condition.labels] : undefined;
}

/** The meaning of a model's labels, if its run or folder gives it. */
export function classLabelsOf({ run, classLabels = null }: Conditional): ClassLabels | null {
  if (!run?.data.classes) return classLabels;
  const { names } = run.data.classes;
  return { names, none: run.training.labelDropout > 0 ? names.length : null };
}

/** A model's classes, with no names if any number is one; null for an unconditional model. */
export function classesOf(of: Conditional): ClassLabels | null {
  if (classRows(of.model) === null) return null;
  return { names: classNames(of), none: classLabelsOf(of)?.none ?? null };
}

/** Names of a model's classes: those of its run or folder, else numbers. */
export function classNames(of: Conditional): readonly string[] {
  const labels = classLabelsOf(of);
  if (labels) return labels.names;
  const count = classRows(of.model);
  return typeof count === 'number' ? Array.from({ length: count }, (_, i) => String(i)) : [];
}

const WHOLE = /^\d+$/;

/** The name of a label. */
export const nameOfLabel = (names: readonly string[], label: number): string =>
  names[label] ?? (names.length > 0 ? 'none' : String(label));

/**
 * A class by its name, or else by its number. A number chooses nothing where some class's name is one: with classes 1, 3 and 7,
 * or 0, 1, 10 and 2, whose numbers follow their spelling, it would quietly be another class than it says.
 */
function labelNamed(where: string, text: string, { names, none }: ClassLabels): number {
  const named = names.indexOf(text);
  if (named >= 0) return named;
  const number = names.some((name) => WHOLE.test(name)) ? Number.NaN : parseDecimal(text);
  const most = names.length > 0 ? names.length - 1 : MOST_LABEL;
  if (Number.isInteger(number) && number >= 0 && number <= most) return number;
  if (text === 'none' && none !== null) return none;
  const known = names.length > 0 ? listNames(names) : `numbers from 0 to ${MOST_LABEL}`;
  const hint = Number.isNaN(parseDecimal(text)) ? suggestion(text, names) : '';
  throw new UsageError(`${where} has no class ${quote(text)}${hint}; it has ${known}`);
}
