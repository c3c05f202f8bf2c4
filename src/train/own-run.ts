/** A run that workers train, as its process announces it, and what it takes of Redis. */
import type { RunConfig } from '../config/config.js';
import { parseRunConfig } from '../config/read.js';
import { buildNetwork } from '../network/network.js';
import { countParameters } from '../network/parameters.js';
import type { Blob } from '../queue/blob.js';
import { missingBytes } from '../queue/blobs.js';
import { GONE, runName, SIGN } from '../queue/board.js';
import { checkRoom } from '../queue/capacity.js';
import type { Connection } from '../queue/connect.js';
import { recordedBytes } from '../queue/ledger.js';
import { twinsOf } from '../queue/team.js';
import { type Images, idOfRun } from '../queue/train-job.js';
import { configOfJobs } from './job-config.js';
import type { RoundBytes } from './round-report.js';

/** A run as this process announces it. */
export interface OwnRun {
  readonly name: string;
  readonly id: string;
  /** As workers read it, so that they compute the same ids. */
  readonly config: RunConfig;
  readonly images: Images;
}

export function ownRun(whole: RunConfig, images: Images): OwnRun {
  const text: unknown = JSON.parse(JSON.stringify(configOfJobs(whole)));
  const config = parseRunConfig('config', text);
  return { name: runName(), id: idOfRun({ config, images }), config, images };
}

/**
 * Checks that Redis has room for the images and a round, where files that a killed process left of the same run do not count: they are needed
 * again, or removed. Its announcement may still be there for some seconds, which are waited for.
 * @throws UsageError
 */
export async function requireRoom(
  connection: Connection,
  run: OwnRun,
  { held }: RoundBytes,
): Promise<void> {
  const { redis } = connection;
  for (let waited = 0; ; waited++) {
    const alone = (await twinsOf(redis, run)).length === 0;
    const there = alone
      ? await recordedBytes(redis, run.id)
      : run.images.blob.bytes - (await missingBytes(redis, run.images.blob));
    const what = 'images, and replicas in transit';
    try {
      return checkRoom(connection, await connection.info(), { held, there, what });
    } catch (error) {
      if (alone || waited > GONE + SIGN) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

/** Bytes of a round, without file headers. */
export function bytesOfRound(config: RunConfig, images: Blob): RoundBytes {
  const weights = 4 * countParameters(buildNetwork(config.model));
  const { replicas, ema } = config.training;
  const shared = (1 + ema.length) * weights;
  const back = replicas * (shared + 2 * weights);
  // The moments that workers sent are already in Redis for the next round.
  return { out: shared, back, held: images.bytes + shared + replicas * 2 * weights + back };
}
