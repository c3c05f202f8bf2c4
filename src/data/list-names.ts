import { printable } from '../printable.js';

/** Classes that a message lists. */
const MOST_LISTED = 12;

/** A name as `--class` takes it: in double quotes where it has a comma, or begins with a quote. */
const asListed = (name: string): string =>
  /^"|,/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;

/** Names for a message, not without end. */
export function listNames(names: readonly string[]): string {
  const some = names
    .slice(0, MOST_LISTED)
    .map((name) => printable(asListed(name)))
    .join(', ');
  return names.length > MOST_LISTED ? `${some}, … (${names.length})` : some;
}
