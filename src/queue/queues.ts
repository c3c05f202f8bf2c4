/** BullMQ's queues, one per build, and their maintenance. BullMQ is loaded here, lazily. */
import { isDeepStrictEqual } from 'node:util';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { queueOf } from './build.js';
import type { Connection } from './connect.js';
import { BUILDS, EXPIRY, PREFIX } from './keys.js';
import { KINDS, type KindName } from './kinds.js';

/** Attempts at a job: the retries come after 1, 2, 4 and 8 seconds. */
export const MOST_ATTEMPTS = 5;
const ATTEMPTS = {
  attempts: MOST_ATTEMPTS,
  backoff: { type: 'exponential', delay: 1000 },
} as const;

/** A finished job leaves only its result; the reason of a failed one is kept for a while. */
export const JOB_OPTIONS = {
  ...ATTEMPTS,
  removeOnComplete: true,
  removeOnFail: { age: EXPIRY, count: 1000 },
  // Stack traces would reveal paths of a worker's machine.
  stackTraceLimit: 0,
} as const;

/**
 * The queue of a build. It uses the given connection, which reports errors, and which is to be closed after it.
 */
export async function openQueue(
  { redis }: Connection,
  build: string,
  kind: KindName,
): Promise<Queue> {
  const { Queue } = await import('bullmq');
  const queue = new Queue(queueOf(build, kind), {
    connection: redis,
    prefix: PREFIX,
    defaultJobOptions: JOB_OPTIONS,
  });
  queue.on('error', () => {});
  return queue;
}

/** Seconds after which jobs that nobody took, and queues of unused builds, are removed. */
const DAY = 86_400;
const WEEK = 7 * DAY;

/** Records that a build is in use. */
export const useBuild = (redis: Redis, build: string): Promise<unknown> =>
  redis.zadd(BUILDS, Math.floor(Date.now() / 1000), build);

/** Builds used within the last week. */
export const knownBuilds = (redis: Redis): Promise<string[]> => redis.zrange(BUILDS, 0, -1);

/**
 * Removes what dead processes left: jobs that have waited for a day, failures older than an hour, and whole queues of
 * builds not used for a week. A process that still wants a job adds it again.
 */
export async function tidy(connection: Connection, queue: Queue): Promise<void> {
  const { redis } = connection;
  await queue.clean(DAY * 1000, 1000, 'wait');
  await queue.clean(DAY * 1000, 1000, 'delayed');
  await queue.clean(EXPIRY * 1000, 1000, 'failed');
  const old = await redis.zrangebyscore(BUILDS, '-inf', Math.floor(Date.now() / 1000) - WEEK);
  for (const build of old) {
    if (queue.name.endsWith(`-${build}`) || build.includes(':')) continue;
    for (const { name } of KINDS) {
      const other = await openQueue(connection, build, name);
      await other.obliterate({ force: true }).finally(() => other.close());
    }
    await redis.zrem(BUILDS, build);
  }
}

/** Records that a build is in use, opens its queue of a kind, and tidies it up. */
export async function enterQueue(
  connection: Connection,
  build: string,
  kind: KindName,
): Promise<Queue> {
  await useBuild(connection.redis, build);
  const queue = await openQueue(connection, build, kind);
  try {
    await tidy(connection, queue);
  } catch (error) {
    await queue.close().catch(() => undefined);
    throw error;
  }
  return queue;
}

/** BullMQ's lists of jobs that a worker takes, or has taken. */
const TAKEN = ['wait', 'active'] as const;

/** Stands for data that were not JSON. */
const EMPTIED = { damaged: true } as const;

export const isEmptied = (data: unknown): boolean => isDeepStrictEqual(data, EMPTIED);

/** Replaces data that are not JSON, over which BullMQ stumbles before a worker sees them. Resolves to the ids of the jobs. */
export async function emptyBroken(redis: Redis, queue: Queue): Promise<string[]> {
  const broken: string[] = [];
  for (const list of TAKEN)
    for (const id of await redis.lrange(queue.toKey(list), 0, -1)) {
      const [data, opts] = await redis.hmget(queue.toKey(id), 'data', 'opts');
      if (isJson(data) && isJson(opts)) continue;
      await redis.hset(queue.toKey(id), {
        data: JSON.stringify(EMPTIED),
        opts: JSON.stringify(JOB_OPTIONS),
      });
      broken.push(id);
    }
  return broken;
}

function isJson(text: string | null | undefined): boolean {
  try {
    JSON.parse(text ?? '{}');
    return true;
  } catch {
    return false;
  }
}
