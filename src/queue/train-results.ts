/** Results of training jobs: the blobs of the replicas and the losses, under the job's id. They expire. */
import type { Redis } from 'ioredis';
import { sha256 } from '../io/hash.js';
import { EXPIRY, keyOf, MOST_BYTES } from './keys.js';
import { parseTrainResult, type TrainJob, type TrainResult } from './train-job.js';

/** Characters of the hash. */
const HASH = 64;

const resultKey = (job: string): string => keyOf('trained', job);

export async function putTrained(redis: Redis, job: string, result: TrainResult): Promise<void> {
  const text = JSON.stringify(result);
  await redis.set(resultKey(job), `${sha256(Buffer.from(text))}${text}`, 'EX', EXPIRY);
}

/** The result of each job; undefined for a missing or damaged one. */
export async function getTrained(
  redis: Redis,
  jobs: readonly { readonly id: string; readonly job: TrainJob }[],
): Promise<(TrainResult | undefined)[]> {
  if (jobs.length === 0) return [];
  const found = await redis.mget(jobs.map(({ id }) => resultKey(id)));
  return found.map((text, i) => (text === null ? undefined : sound(text, jobs[i]!.job)));
}

function sound(text: string, job: TrainJob): TrainResult | undefined {
  const json = text.slice(HASH);
  if (text.length > MOST_BYTES || sha256(Buffer.from(json)) !== text.slice(0, HASH))
    return undefined;
  try {
    return parseTrainResult(JSON.parse(json), job);
  } catch {
    return undefined;
  }
}

export async function removeTrained(redis: Redis, job: string): Promise<void> {
  await redis.del(resultKey(job));
}
