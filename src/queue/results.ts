/** Finished images in Redis: their SHA-256 and bytes under the id of their job, for a limited time. */
import type { Redis } from 'ioredis';
import { sha256 } from '../io/hash.js';
import { EXPIRY, keyOf } from './keys.js';

/** Bytes of the hash. */
const HASH = 32;

const resultKey = (job: string): string => keyOf('images', job);

export async function putResult(redis: Redis, job: string, pixels: Uint8Array): Promise<void> {
  const hash = Buffer.from(sha256(pixels), 'hex');
  await redis.set(resultKey(job), Buffer.concat([hash, pixels]), 'EX', EXPIRY);
}

/** The pixels of each job, `bytes` of them; undefined for a missing or incomplete one. */
export async function getResults(
  redis: Redis,
  jobs: readonly { readonly id: string; readonly bytes: number }[],
): Promise<(Uint8Array | undefined)[]> {
  if (jobs.length === 0) return [];
  const found = await redis.mgetBuffer(jobs.map(({ id }) => resultKey(id)));
  return found.map((result, i) => (result ? sound(result, jobs[i]!.bytes) : undefined));
}

function sound(result: Buffer, bytes: number): Uint8Array | undefined {
  const pixels = result.subarray(HASH);
  if (pixels.length !== bytes) return undefined;
  return sha256(pixels) === result.toString('hex', 0, HASH) ? pixels : undefined;
}

export async function removeResult(redis: Redis, job: string): Promise<void> {
  await redis.del(resultKey(job));
}
