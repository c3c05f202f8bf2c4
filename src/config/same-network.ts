/** Settings that must agree with the network of a model on disk. */
import { isDeepStrictEqual } from 'node:util';
import { UsageError } from '../errors.js';
import { attendingLevels } from '../network/unet2d-config.js';
import type { ModelConfig } from './config.js';
import { kebab } from './flag.js';
import { flagOf } from './network-fields.js';
import { type GivenModel, readGiven, readKind } from './network-settings.js';
import { show } from './show.js';
import type { Source } from './source.js';

/**
 * @param free fields that may differ
 * @throws UsageError naming the flag of a setting that differs from the model's
 */
export function refuseOtherNetwork(
  path: string,
  model: ModelConfig,
  settings: Source,
  free: readonly string[] = [],
): void {
  const kind = readKind(settings);
  if (kind !== undefined && kind !== model.kind)
    throw new UsageError(`${settings.where('network')}: ${path} has ${model.kind}, got ${kind}`);
  const given = without(readGiven(model.kind, settings), free);
  refuseFields(path, model, given);
  if (given.kind !== 'unet2d' || model.kind !== 'unet2d' || !given.attention) return;
  const levels = attendingLevels(model.widths, model.size, given.attention);
  for (const own of [model.downAttention, [...model.upAttention].reverse()])
    if (!isDeepStrictEqual(own, levels))
      throw new UsageError(
        `--attention: ${path} has ${show(attendingSizes(own, model.size))}, got ${show(given.attention)}`,
      );
}

/** Image sizes of the levels with attention, from those that have it, the largest first. */
export const attendingSizes = (levels: readonly boolean[], size: number): number[] =>
  levels.flatMap((attends, i) => (attends ? [size / 2 ** i] : []));

const without = (given: GivenModel, names: readonly string[]): GivenModel =>
  Object.fromEntries(Object.entries(given).filter(([name]) => !names.includes(name))) as GivenModel;

/** @throws UsageError naming the flag of a field that differs from the model's */
export function refuseFields(path: string, model: ModelConfig, given: GivenModel): void {
  const { attention: _, ...fields } = given as GivenModel & { attention?: unknown };
  refuseOthers(path, model, fields as Partial<ModelConfig>, (name) =>
    name === 'kind' ? 'network-config' : flagOf(model.kind, name),
  );
}

/** @throws UsageError naming the flag of a setting that differs from the model's own */
export function refuseOthers<T extends object>(
  path: string,
  has: T,
  given: Partial<T>,
  flag: (name: string) => string = kebab,
): void {
  for (const [name, value] of Object.entries(given)) {
    const own = has[name as keyof T];
    if (own !== undefined && !isDeepStrictEqual(own, value))
      throw new UsageError(`--${flag(name)}: ${path} has ${show(own)}, got ${show(value)}`);
  }
}
