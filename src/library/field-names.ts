/** Settings of the network by the names of their flags: `layersPerBlock` is `layers`. */
import { FIELD_FLAGS } from '../config/network-fields.js';
import { camel } from '../config/respell.js';
import { UsageError } from '../errors.js';

/** Where blocks attend has a setting of its own. */
const OTHER_NAMES = Object.entries(FIELD_FLAGS)
  .filter(([, flag]) => flag !== 'attention')
  .map(([name, flag]) => [camel(flag), name] as const);

/**
 * The settings with those of the network by their own names.
 * @throws UsageError for a setting by both of its names
 */
export function byOwnNames(
  where: string,
  settings: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const named = { ...settings };
  for (const [other, name] of OTHER_NAMES) {
    if (named[other] === undefined) continue;
    if (named[name] !== undefined)
      throw new UsageError(`${where}.${other}: another name of ${name}; expected one of them`);
    named[name] = named[other];
    delete named[other];
  }
  return named;
}
