/**
 * The files of a run in Redis, whoever uploaded them: a set under the run's id. So a run that continues after its process was killed
 * knows what that left behind.
 */
import type { Redis } from 'ioredis';
import { type Blob, dropBlob, missingBytes } from './blobs.js';
import { present } from './board.js';
import { EXPIRY, keyOf } from './keys.js';

const key = (run: string): string => keyOf('files', run);

/** `SHA-256:bytes`. */
const ENTRY = /^([0-9a-f]{64}):(\d{1,13})$/;
const entryOf = ({ sha256, bytes }: Blob): string => `${sha256}:${bytes}`;

/** Records files before they are uploaded. The record outlives them. */
export async function record(redis: Redis, run: string, blobs: readonly Blob[]): Promise<void> {
  if (blobs.length === 0) return;
  await redis.sadd(key(run), ...blobs.map(entryOf));
  await redis.expire(key(run), 2 * EXPIRY);
}

/** Files recorded for a run, some of which may be gone. Anybody may write there: what is no file is ignored. */
export async function recorded(redis: Redis, run: string): Promise<Blob[]> {
  const entries = await redis.smembers(key(run));
  return entries.flatMap((entry) => {
    const [, sha256, bytes] = ENTRY.exec(entry) ?? [];
    return sha256 === undefined || Number(bytes) === 0 ? [] : [{ sha256, bytes: Number(bytes) }];
  });
}

/** Bytes of a run's files in Redis. */
export async function recordedBytes(redis: Redis, run: string): Promise<number> {
  const blobs = await recorded(redis, run);
  const there = await Promise.all(
    blobs.map(async (blob) => blob.bytes - (await missingBytes(redis, blob))),
  );
  return there.reduce((sum, bytes) => sum + bytes, 0);
}

/** Removes a run's files from Redis, except `kept` and those of other present runs. */
export async function sweep(redis: Redis, run: string, kept: readonly Blob[]): Promise<void> {
  const others = new Set((await present(redis, 'run')).map(({ id }) => id));
  others.delete(run);
  const used = new Set(kept.map(entryOf));
  for (const other of others)
    for (const blob of await recorded(redis, other)) used.add(entryOf(blob));
  const old = (await recorded(redis, run)).filter((blob) => !used.has(entryOf(blob)));
  await Promise.all(old.map((blob) => dropBlob(redis, blob)));
  if (old.length > 0) await redis.srem(key(run), ...old.map(entryOf));
}
