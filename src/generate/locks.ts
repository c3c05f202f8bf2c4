/**
 * Who may do what in a folder that several processes share: one process makes a shard, and one at a time touches what
 * all shards have in common.
 */

import type { Shard } from '../config/generation.js';
import { UsageError } from '../errors.js';
import { exclusively, type Reach, withLock } from '../io/lock.js';
import { shardName } from './options.js';

/**
 * Makes a shard as the only process on it. `make` calls `hold` when the folder is there.
 * @throws UsageError naming the process that is on it already; so does `hold`
 */
export function asOnlyMaker<T>(
  out: string,
  shard: Shard,
  make: (hold: () => Promise<Reach>) => Promise<T>,
): Promise<T> {
  const what = shard.of === 1 ? 'images' : `shard ${shard.index}/${shard.of}`;
  const refuse = (holder: string) =>
    new UsageError(
      `--out ${out}: ${holder} is making ${what} there; wait for it, or give another --out`,
    );
  return exclusively({ path: out, use: `shard ${shardName(shard)}` }, refuse, make);
}

/** Runs `body` while no other shard is at the one file of all images, or its part. */
export function atOneFile<T>(out: string, body: () => Promise<T>): Promise<T> {
  return withLock({ path: out, use: 'one file' }, () => undefined, body);
}
