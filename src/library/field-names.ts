/** Settings of the network under the names of their flags: `layersPerBlock` is `layers`. */
import { FIELD_FLAGS } from '../config/network-fields.js';
import { camel } from '../config/respell.js';
import { UsageError } from '../errors.js';

/** Attention has its own setting. */
const OTHER_NAMES = Object.entries(FIELD_FLAGS)
  .filter(([, flag]) => flag !== 'attention')
  .map(([name, flag]) => [camel(flag), name] as const);

/**
 * The settings, with the network's under their own names.
 * @throws UsageError for a setting given under both of its names
 */
export function byOwnNames(
  where: string,
  settings: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const named = { ...settings };
  for (const [other, name] of OTHER_NAMES) {
    if (named[other] === undefined) continue;
    if (named[name] !== undefined)
      throw new UsageError(
        `${where}.${other}: another name for ${name}; expected only one of them`,
      );
    named[name] = named[other];
    delete named[other];
  }
  return named;
}
