/** A file identified by its content, as jobs refer to it. */
import type { JsonObject } from '../config/json.js';
import { UsageError } from '../errors.js';

export interface Blob {
  /** SHA-256 in hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
}

const HASH = /^[0-9a-f]{64}$/;
/** More than WebAssembly can address, so more than any supported network. */
const MOST_WEIGHTS = 2 ** 33;

/** Reads one from the data of a job. @throws UsageError if it is invalid */
export function readBlob(o: JsonObject, most = MOST_WEIGHTS): Blob {
  const hash = o.text('sha256')!;
  if (!HASH.test(hash))
    throw new UsageError(`${o.where('sha256')}: expected 64 hexadecimal digits`);
  return { sha256: hash, bytes: o.whole('bytes', { min: 1, max: most })! };
}
