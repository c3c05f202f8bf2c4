import { printable } from '../printable.js';

/** Number of classes that a message lists. */
const MOST_LISTED = 12;

/** A name as `--class` takes it: in double quotes if it has a comma or begins with a quote. */
const asListed = (name: string): string =>
  /^"|,/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;

/** A list of names for a message, truncated. */
export function listNames(names: readonly string[]): string {
  const some = names
    .slice(0, MOST_LISTED)
    .map((name) => printable(asListed(name)))
    .join(', ');
  return names.length > MOST_LISTED ? `${some}, … (${names.length})` : some;
}
