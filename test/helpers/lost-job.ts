import type { ExecutionContext } from 'ava';
import { Worker } from 'bullmq';
import { parseAddress } from '../../src/queue/address.js';
import { redisOptions } from '../../src/queue/connect.js';
import { clientOf, type RedisServer, until } from './redis.js';

/** Takes a job of a queue, once there is one, as the ninth worker that is lost with it. */
export async function loseJob(
  t: ExecutionContext,
  server: RedisServer,
  queue: string,
): Promise<void> {
  const connection = redisOptions(parseAddress('--queue', server.url));
  const redis = clientOf(t, server);
  const keyOf = (name: string) => `haze:${queue}:${name}`;
  await until(async () => (await redis.llen(keyOf('wait'))) > 0);
  const lost = new Worker(queue, null, { connection, prefix: 'haze', lockDuration: 100 });
  lost.on('error', () => {});
  const job = await lost.getNextJob('token');
  // BullMQ's count of how often the job stalled.
  await redis.hset(keyOf(job!.id!), 'stc', 8);
  await lost.close(true);
}
