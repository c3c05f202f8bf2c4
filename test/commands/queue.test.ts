import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Queue } from 'bullmq';
import { parseAddress } from '../../src/queue/address.js';
import { present } from '../../src/queue/board.js';
import { buildId, queueOf } from '../../src/queue/build.js';
import { redisOptions } from '../../src/queue/connect.js';
import { haze, refuses, startHaze } from '../helpers/cli.js';
import { folderWithModel } from '../helpers/generate.js';
import { says, workerHere, workerProcess } from '../helpers/queue-worker.js';
import { clientOf, redisTest, startRedis, until } from '../helpers/redis.js';

test('worker and queue require an address, and say what form it has', async (t) => {
  delete process.env.REDIS_URL;
  await refuses(t, ['worker'], /^haze: --queue: expected redis:\/\/.*, in REDIS_URL, which is not/);
  await refuses(t, ['queue', '--queue', 'host:6379'], /^haze: --queue: expected redis:\/\//);
  await refuses(t, ['worker', '--queue', 'redis://h', '--lost-after', '0'], /--lost-after: exp/);
});

redisTest('queue shows workers, runs, jobs and failures, as a table and as JSON', async (t) => {
  const server = await startRedis(t);
  const folder = await folderWithModel(t);
  const connection = redisOptions(parseAddress('--queue', server.url));
  const queue = new Queue(queueOf(buildId(false)), { connection, prefix: 'haze' });
  t.teardown(() => queue.close());
  await queue.add('generate', { what: 'none' }, { jobId: 'g1' });
  const worker = await workerHere(t, server);
  await until(async () => (await queue.getJobState('g1')) === 'failed');
  const call = 'generate model.safetensors --size 16 --count 20000 --batch 2 --queue env --out out';
  const env = { HAZE_CACHE: folder, REDIS_URL: server.url };
  const run = startHaze(t, folder, call.split(' '), env);
  const redis = clientOf(t, server);
  await until(async () => {
    const [[worker], [run]] = await Promise.all([present(redis, 'worker'), present(redis, 'run')]);
    return !!worker && !!run && worker.images > 8 && run.done > 8 && run.imagesPerSecond > 0;
  });
  const { code, stdout } = await haze(folder, ['queue', '--json'], env);
  t.is(code, 0);
  const seen = JSON.parse(stdout);
  t.is(seen.address, server.url);
  t.like(seen.workers[0], { build: buildId(false), lanes: 2, failed: 1 });
  t.true(seen.workers[0].images > 8);
  t.like(seen.runs[0], { build: buildId(false), total: 20_000 });
  t.true(seen.runs[0].done > 8 && seen.runs[0].secondsLeft > 0);
  t.like(seen.jobs[0], { build: buildId(false), failed: 1 });
  t.true(seen.jobs[0].waiting > 0);
  t.like(seen.jobs[1], { build: buildId(false), kind: 'train', waiting: 0 });
  t.like(seen.failures[0], { what: null });
  t.regex(seen.failures[0].reason, /^job\.build: expected a value/);
  const text = (await haze(folder, ['queue', '--queue', server.url])).stdout;
  t.regex(text, /^redis:\/\/127\.0\.0\.1:\d+: Redis \d+\.\d+\.\d+, using /);
  t.regex(text, /\n1 worker\nworker .*images\/s .*\n.*-relaxed-|-strict-/);
  t.regex(text, /\n1 run\nrun .*left\n.* 20,000 .*\d:\d\d\n/);
  t.regex(text, /\nfailed within the last hour\nan invalid job {2}job\.build: expected a value/);
  run.process.kill('SIGINT');
  t.is((await run.exit).code, 130);
  await worker.stop();
  const after = JSON.parse((await haze(folder, ['queue', '--json'], env)).stdout);
  t.deepEqual([after.workers, after.runs], [[], []], 'who leaves says so');
});

redisTest(
  'a password appears in no file, no message and, once read, no list of processes',
  async (t) => {
    const server = await startRedis(t, [], 'sesame');
    const folder = await folderWithModel(t);
    const call = `generate model.safetensors --size 16 --sampler ddim --count 8 --out out --queue ${server.url}`;
    const run = startHaze(t, folder, call.split(' '), { HAZE_CACHE: join(folder, 'cache') });
    await says(run, /there is no worker for .*; haze worker starts one/);
    if (process.platform === 'linux') {
      const words = await readFile(`/proc/${run.process.pid}/cmdline`, 'utf8');
      t.notRegex(words, /sesame/);
    }
    const worker = await workerProcess(t, server);
    const { code, stdout, stderr } = await run.exit;
    t.is(code, 0, stderr);
    worker.process.kill('SIGINT');
    const said = await worker.exit;
    const wrong = await haze(folder, [
      'queue',
      '--verbose',
      '--queue',
      server.url.replace('sesame', 'sesam'),
    ]);
    t.is(wrong.code, 2);
    t.regex(wrong.stderr, /WRONGPASS/);
    for (const text of [stdout, stderr, said.stdout, said.stderr, wrong.stderr])
      t.notRegex(text, /sesam/);
    for (const name of await readdir(join(folder, 'out')))
      t.false((await readFile(join(folder, 'out', name))).includes('sesame'), name);
  },
);
