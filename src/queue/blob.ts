/** A file by its content, which is what jobs call it. */
import type { JsonObject } from '../config/json.js';
import { UsageError } from '../errors.js';

export interface Blob {
  /** In hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
}

const HASH = /^[0-9a-f]{64}$/;
/** More than WebAssembly addresses, so more than any network that is computed. */
const MOST_WEIGHTS = 2 ** 33;

/** One in the data of a job. @throws UsageError for what is none */
export function readBlob(o: JsonObject, most = MOST_WEIGHTS): Blob {
  const hash = o.text('sha256')!;
  if (!HASH.test(hash))
    throw new UsageError(`${o.where('sha256')}: expected 64 hexadecimal digits`);
  return { sha256: hash, bytes: o.whole('bytes', { min: 1, max: most })! };
}
