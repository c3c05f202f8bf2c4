import { printable } from '../printable.js';

/** Classes that a message lists. */
const MOST_LISTED = 12;

/** Names for a message, not without end. */
export function listNames(names: readonly string[]): string {
  const some = names.slice(0, MOST_LISTED).map(printable).join(', ');
  return names.length > MOST_LISTED ? `${some}, … (${names.length})` : some;
}
