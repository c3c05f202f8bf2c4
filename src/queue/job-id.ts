/** Ids of jobs, which are hashes of their data: requests for the same work have the same id. */
import { sha256 } from '../io/hash.js';

/** `g1a2b…`: the kind of the job, and the hash of its data. */
export const hashOf = (kind: string, value: unknown): string =>
  `${kind}${sha256(Buffer.from(canonical(value)))}`;

/** JSON with sorted names. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
