/**
 * Locks for a folder that several processes share: each shard is drawn by one process, and one at a time changes the
 * shared files.
 */

import type { Shard } from '../config/generation.js';
import { UsageError } from '../errors.js';
import { exclusively, type Reach, withLock } from '../io/lock.js';
import { shardName } from './options.js';

/**
 * Draws a shard as the only process on it. `make` calls `hold` once the folder exists.
 * @throws UsageError naming the process that is already drawing it; so does `hold`
 */
export function asOnlyMaker<T>(
  out: string,
  shard: Shard,
  make: (hold: () => Promise<Reach>) => Promise<T>,
): Promise<T> {
  const what = shard.of === 1 ? 'images' : `shard ${shard.index}/${shard.of}`;
  const refuse = (holder: string) =>
    new UsageError(
      `--out ${out}: ${holder} is already drawing ${what} there; wait for it, or give another --out`,
    );
  return exclusively({ path: out, use: `shard ${shardName(shard)}` }, refuse, make);
}

/** Runs `body` while no other shard uses the file of all images, or its part. */
export function atOneFile<T>(out: string, body: () => Promise<T>): Promise<T> {
  return withLock({ path: out, use: 'one file' }, () => undefined, body);
}
