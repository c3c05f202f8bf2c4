import { UsageError } from '../errors.js';
import { readJsonFileSync } from '../io/run.js';
import { classRows } from '../network/classes.js';
import { MOST_LABEL } from '../network/limits.js';
import type { ModelConfig } from './config.js';
import { parseDecimal, quote } from './source.js';

/*
 * The meaning of the labels that a network receives: a run's config.json gives the names of its classes; in a diffusers folder,
 * model_index.json gives them by `id2label`, like a DiTPipeline's, whose last label is that of no class; `none_label` is Haze's own
 * addition.
 */

export interface ClassLabels {
  /** Names by label, from 0. */
  readonly names: readonly string[];
  /** The label that stands for no class; null if there is none. */
  readonly none: number | null;
}

/** The keys for a model_index.json. */
export const classLabelsJson = ({ names, none }: ClassLabels): Record<string, unknown> => ({
  id2label: Object.fromEntries(names.map((name, label) => [label, name])),
  ...(none !== null && { none_label: none }),
});

/** The labels of a model_index.json; null if it has none. @throws UsageError for labels that the network does not have */
export function readClassLabels(index: string, model: ModelConfig): ClassLabels | null {
  const { id2label, none_label, _class_name: pipeline } = readJsonFileSync(index);
  const count = classRows(model);
  if (count === null || id2label === undefined || id2label === null) return null;
  const most = count === 'timestep' ? MOST_LABEL : count - 1;
  const names = readNames(`${index}: id2label`, id2label, most);
  if (none_label === undefined || none_label === null)
    return { names, none: pipeline === 'DiTPipeline' && names.length === most ? most : null };
  // The first label without a name, which a DiTPipeline implies.
  if (none_label === names.length && names.length <= most) return { names, none: names.length };
  const expected = names.length <= most ? names.length : 'none, since each label has a name';
  throw new UsageError(`${index}: none_label: expected ${expected}, got ${quote(none_label)}`);
}

function readNames(where: string, value: unknown, most: number): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`${where}: expected an object of names, got ${quote(value)}`);
  const entries = Object.entries(value);
  const names: string[] = [];
  for (const [key, name] of entries) {
    const label = parseDecimal(key);
    if (!Number.isInteger(label) || label < 0 || label >= entries.length || label > most)
      throw new UsageError(
        `${where}: expected names of the labels from 0 to ${Math.min(most, entries.length - 1)}, got one of ${quote(key)}`,
      );
    if (typeof name !== 'string' || name === '')
      throw new UsageError(`${where}.${key}: expected a name, got ${quote(name)}`);
    names[label] = name;
  }
  if (names.length === 0) throw new UsageError(`${where}: expected names, got none`);
  return names;
}
