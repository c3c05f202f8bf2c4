/** Whether what a run will hold in Redis fits into its memory. */
import { UsageError } from '../errors.js';
import { bytes } from '../units.js';
import { CHUNK } from './blobs.js';
import { type Connection, memoryInWords, type ServerInfo } from './connect.js';

/** Memory that these bytes take in Redis: a tenth more. */
const memoryOf = (size: number): number => Math.ceil(1.1 * size);

/** Most chunks in transit at a time, which Redis keeps in memory beside the data. */
const IN_TRANSIT = 4;

/** What a run will hold in Redis. */
export interface Load {
  /** Its bytes. */
  readonly held: number;
  /** Those of them that are there already, or will be removed before. */
  readonly there: number;
  /** For the message. */
  readonly what: string;
}

/** @throws UsageError if it does not fit */
export function checkRoom(
  { address }: Pick<Connection, 'address'>,
  info: ServerInfo,
  { held, there, what }: Load,
): void {
  const needed = memoryOf(held) - memoryOf(there) + Math.min(held, IN_TRANSIT * CHUNK);
  if (info.most === 0 || info.used + needed <= info.most) return;
  throw new UsageError(
    `--queue: ${address.shown}: expected room for ${bytes(needed)} (${what}), got a Redis ${memoryInWords(info)}`,
  );
}
