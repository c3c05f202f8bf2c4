import type { ExecutionContext } from 'ava';
import { Worker } from 'bullmq';
import { parseAddress } from '../../src/queue/address.js';
import { redisOptions } from '../../src/queue/connect.js';
import { bytesOfImage } from '../../src/queue/generate-job.js';
import { GENERATE } from '../../src/queue/kinds.js';
import { openQueue } from '../../src/queue/queues.js';
import { Requests } from '../../src/queue/requests.js';
import { jobOf } from '../helpers/generate-job.js';
import {
  clientOf,
  connectionTo,
  type RedisServer,
  redisTest,
  startRedis,
  until,
} from '../helpers/redis.js';

const JOB = jobOf({ sha256: '0'.repeat(64), bytes: 8 }, 'some-build');
const ID = GENERATE.idOf(JOB);
const PIXELS = new Uint8Array(JOB.images.length * bytesOfImage(JOB.recipe));

async function open(t: ExecutionContext, server: RedisServer) {
  const connection = await connectionTo(t, server);
  const queue = await openQueue(connection, 'some-build', 'generate');
  const requests = new Requests({
    ...{ kind: GENERATE, connection, queue },
    upkeep: async () => {},
    onFull: async () => {},
    onNote: () => {},
  });
  return { queue, requests };
}

redisTest('a job whose worker is lost once its result is there leaves the queue', async (t) => {
  const server = await startRedis(t);
  const { queue, requests } = await open(t, server);
  const result = requests.get(JOB);
  const lost = new Worker(queue.name, null, {
    connection: redisOptions(parseAddress('--queue', server.url)),
    prefix: 'haze',
    lockDuration: 100,
  });
  lost.on('error', () => {});
  await until(async () => (await lost.getNextJob('token')) !== undefined);
  await GENERATE.put(clientOf(t, server), ID, PIXELS);
  t.deepEqual(new Uint8Array(await result), PIXELS);
  t.is(await queue.getJobState(ID), 'active');
  await lost.close(true);
  await until(async () => (await queue.getJobState(ID)) === 'unknown');
  await requests.end(new Error('the end'));
});

redisTest('requests end while a job is being added and Redis hangs', async (t) => {
  const server = await startRedis(t);
  const { requests } = await open(t, server);
  server.kill('SIGSTOP');
  const ended = t.throwsAsync(requests.get(JOB), { message: 'the end' });
  const ending = requests.end(new Error('the end'));
  await ended;
  server.kill('SIGCONT');
  await ending;
});
