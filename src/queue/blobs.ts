/**
 * Transfers files (weights, images, optimizer states): each is in Redis under its SHA-256, in chunks that expire when they are no longer requested. A process that needs
 * them there renews them, and every reader checks every byte.
 */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { RunError } from '../errors.js';
import { writeAtomically, writeFully } from '../io/atomic.js';
import { hashFile } from '../io/hash.js';
import { openPlain } from '../io/plain-file.js';
import type { Blob } from './blob.js';
import { EXPIRY, keyOf } from './keys.js';

export type { Blob };

/**
 * Bytes per chunk: far from the limit of a Redis string, and little memory on both sides. Redis's allocator rounds sizes above 8 MiB up to
 * 10, so a chunk with its header stays below.
 */
export const CHUNK = (8 << 20) - 256;

const chunkCount = ({ bytes }: Blob): number => Math.ceil(bytes / CHUNK);

const chunkKeys = (blob: Blob): string[] =>
  Array.from({ length: chunkCount(blob) }, (_, i) => keyOf('blob', blob.sha256, i));

/**
 * Renews the expiry of each chunk, and uploads missing ones.
 * @param path the blob's file
 * @throws RunError if the file is missing or damaged; Redis's errors, e.g. that it is out of memory
 */
export async function keepBlob(redis: Redis, path: string, blob: Blob): Promise<void> {
  const keys = chunkKeys(blob);
  const there = await Promise.all(keys.map((key) => redis.expire(key, EXPIRY)));
  if (there.every((found) => found === 1)) return;
  const found = await hashFile(path).catch(() => undefined);
  if (found !== blob.sha256)
    throw new RunError(
      `${name(blob)}: the file in this machine's cache is ${found === undefined ? 'missing' : 'damaged'}`,
    );
  const file = await openPlain(path);
  try {
    for (const [i, key] of keys.entries()) {
      if (there[i] === 1) continue;
      const chunk = Buffer.alloc(Math.min(CHUNK, blob.bytes - i * CHUNK));
      await file.read(chunk, 0, chunk.length, i * CHUNK);
      await redis.set(key, chunk, 'EX', EXPIRY);
    }
  } finally {
    await file.close();
  }
}

/** Removes a blob that is no longer needed. */
export async function dropBlob(redis: Redis, blob: Blob): Promise<void> {
  await redis.unlink(...chunkKeys(blob));
}

/** Bytes that an upload would add now. */
export async function missingBytes(redis: Redis, blob: Blob): Promise<number> {
  const there = await Promise.all(chunkKeys(blob).map((key) => redis.exists(key)));
  const missing = there.filter((found) => found === 0).length;
  return Math.min(blob.bytes, missing * CHUNK);
}

/**
 * Fetches a blob to a file atomically. A damaged one is removed from Redis, so that its owner uploads it again.
 * @throws RunError if it is missing or damaged
 */
export async function fetchBlob(redis: Redis, path: string, blob: Blob): Promise<void> {
  const hash = createHash('sha256');
  await writeAtomically(path, async (file) => {
    for (const [i, key] of chunkKeys(blob).entries()) {
      const chunk = await redis.getBuffer(key);
      if (!chunk) throw new RunError(`${name(blob)}: part ${i + 1} is not in Redis`);
      if (chunk.length !== Math.min(CHUNK, blob.bytes - i * CHUNK)) await drop(redis, blob);
      hash.update(chunk);
      await writeFully(file, chunk);
    }
    if (hash.digest('hex') !== blob.sha256) await drop(redis, blob);
  });
}

const name = ({ sha256 }: Blob): string => `file ${sha256.slice(0, 12)}`;

async function drop(redis: Redis, blob: Blob): Promise<never> {
  await dropBlob(redis, blob);
  throw new RunError(
    `${name(blob)}: the copy in Redis is damaged; it was removed, to be uploaded again`,
  );
}
