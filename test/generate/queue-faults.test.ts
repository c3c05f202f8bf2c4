import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Queue } from 'bullmq';
import { Interrupted, RunError, UsageError } from '../../src/errors.js';
import { generate } from '../../src/generate/generate.js';
import type { GenerateEvent } from '../../src/generate/options.js';
import { writeSafetensors } from '../../src/io/safetensors.js';
import { parseAddress } from '../../src/queue/address.js';
import { buildId, queueOf } from '../../src/queue/build.js';
import { redisOptions } from '../../src/queue/connect.js';
import { idOf } from '../../src/queue/generate-job.js';
import { startHaze } from '../helpers/cli.js';
import { hashes, optionsIn, weightsOf } from '../helpers/generate.js';
import { jobOf } from '../helpers/generate-job.js';
import { loseJob } from '../helpers/lost-job.js';
import { queuedIn, says, workerHere, workerProcess } from '../helpers/queue-worker.js';
import { clientOf, type RedisServer, redisTest, startRedis, until } from '../helpers/redis.js';
import { startRelay } from '../helpers/relay.js';

/* Workers, Redis and coordinators that are lost, damaged or hostile: the files stay those of a local run, or one line says why not. */

let cache: string;
let folder: string;
let expected: Record<string, string>;
let expectedMany: Record<string, string>;

const sampling = { sampler: 'ancestral', steps: 20, eta: 1, norm: 'running' } as const;
const work = { sampling, batch: 2 };

/** So many that they cannot all be done before something befalls who makes them, however busy the machine is. */
const many = { count: 400 };

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haze-test-'));
  cache = join(folder, 'cache');
  process.env.HAZE_CACHE = cache;
  await writeSafetensors(join(folder, 'model.safetensors'), weightsOf(1));
  await generate(optionsIn(folder, 'local', { ...work, count: 64 }));
  expected = await hashes(join(folder, 'local'));
  await generate(optionsIn(folder, 'local-many', { ...work, ...many }));
  expectedMany = await hashes(join(folder, 'local-many'));
});

test.after.always(() => rm(folder, { recursive: true, force: true }));

let outs = 0;
const queued = (server: RedisServer, changes = {}) =>
  queuedIn(folder, `out-${outs++}`, server, { ...work, ...changes });

const QUEUE = queueOf(buildId(false));
const keyOf = (name: string) => `haze:${QUEUE}:${name}`;

async function pictures(out: string): Promise<number> {
  const names = await readdir(out).catch(() => []);
  return names.filter((name) => /^\d+\.png$/.test(name)).length;
}

redisTest('Workers that are repeatedly killed and replaced draw the same files', async (t) => {
  const server = await startRedis(t);
  const options = queued(server, many);
  const running = generate(options);
  for (let i = 0; i < 3; i++) {
    const victim = await workerProcess(t, server);
    await says(victim, /reverse steps/);
    victim.process.kill('SIGKILL');
    await victim.exit;
    t.true((await pictures(options.out)) < many.count, 'it was killed at work');
  }
  await workerProcess(t, server);
  t.like(await running, { made: many.count });
  t.deepEqual(await hashes(options.out), expectedMany);
});

redisTest(
  'A worker that freezes for longer than its lock and then continues does no harm',
  async (t) => {
    const server = await startRedis(t);
    const options = queued(server, many);
    const running = generate(options);
    const frozen = await workerProcess(t, server);
    await says(frozen, /reverse steps/);
    frozen.process.kill('SIGSTOP');
    const other = await workerHere(t, server);
    await running;
    t.deepEqual(await hashes(options.out), expectedMany);
    frozen.process.kill('SIGCONT');
    await other.stop();
    t.like(
      await generate(queued(server, { seed: 6, count: 4 })),
      { made: 4 },
      'it takes jobs as before',
    );
    frozen.process.kill('SIGINT');
    const { code, stderr } = await frozen.exit;
    t.is(code, 130);
    t.regex(stderr, /a job was taken from this worker, which was unreachable for too long/);
  },
);

for (const [what, settings] of [
  ['keeps its data', ['--appendonly', 'yes']],
  ['loses its data', []],
] as const)
  redisTest(
    `A Redis that ${what}, is away for longer than a lock and comes back loses no image`,
    async (t) => {
      const server = await startRedis(t, settings);
      const notes: string[] = [];
      const onEvent = (event: GenerateEvent) => {
        if (event.kind === 'note') notes.push(event.text);
      };
      const options = queued(server, { ...many, onEvent });
      const running = generate(options);
      const worker = await workerHere(t, server);
      await until(async () => (await pictures(options.out)) >= 8);
      await server.stop();
      await sleep(3000);
      await server.start();
      t.like(await running, { made: many.count });
      t.deepEqual(await hashes(options.out), expectedMany);
      for (const said of [notes, worker.notes])
        t.true(said.includes(`${server.url} is unreachable; waiting for it`), said.join('\n'));
      // The coordinator may have finished over another connection before it noticed.
      await until(async () => worker.notes.includes(`${server.url} is back`));
    },
  );

redisTest(
  'A coordinator that was killed takes up the results of workers when it is run again',
  async (t) => {
    const server = await startRedis(t);
    const worker = await workerHere(t, server, { lostAfter: 30 });
    const words =
      'generate model.safetensors --size 16 --timesteps 20 --beta-end 0.1 --seed 5 --count 64 --batch 2';
    const run = () =>
      startHaze(t, folder, [...words.split(' '), '--out', 'killed', '--queue', server.url], {
        HAZE_CACHE: cache,
      });
    const first = run();
    await until(async () => (await pictures(join(folder, 'killed'))) >= 24);
    first.process.kill('SIGKILL');
    await first.exit;
    const { code, stdout, stderr } = await run().exit;
    t.is(code, 0, stderr);
    const [, made, kept] = /: (\d+) images made.*; (\d+) kept/.exec(stdout)!;
    t.is(Number(made) + Number(kept), 64);
    // Up to 16 of them were in hand.
    t.true(Number(kept) >= 8);
    t.deepEqual(await hashes(join(folder, 'killed')), expected);
    t.is(await worker.stop(), 64, 'no image was made twice');
  },
);

redisTest(
  'A worker of another build takes no job, and the run says which build it waits for',
  async (t) => {
    const server = await startRedis(t);
    const other = await workerHere(t, server, { build: '0.0.1-relaxed-000000000000' });
    const abort = new AbortController();
    const notes: string[] = [];
    const onEvent = (event: GenerateEvent) => {
      if (event.kind === 'note') notes.push(event.text);
    };
    const options = queued(server, { signal: abort.signal, onEvent });
    const running = generate(options);
    const line = `there is no worker for ${buildId(false)}; there is one of 0.0.1-relaxed-000000000000: version, --strict and processor must agree`;
    await until(() => notes.includes(line));
    await sleep(500);
    abort.abort();
    await t.throwsAsync(running, { instanceOf: Interrupted });
    t.is(await other.stop(), 0);
  },
);

redisTest('Weights damaged in Redis are uploaded again and never used', async (t) => {
  const server = await startRedis(t);
  const options = queued(server);
  const running = generate(options);
  const redis = clientOf(t, server);
  await until(async () => (await redis.llen(keyOf('wait'))) > 0);
  const [blob] = await redis.keys('haze:blob:*');
  await redis.setrange(blob!, 100_000, 'damage');
  const worker = await workerHere(t, server);
  await running;
  t.deepEqual(await hashes(options.out), expected);
  t.true(worker.notes.some((note) => /the copy in Redis is damaged; it was removed/.test(note)));
});

redisTest('A worker whose disk fails leaves its jobs to others and pauses', async (t) => {
  const server = await startRedis(t);
  const failing = await workerHere(t, server);
  await rm(failing.cache.folder, { recursive: true });
  await writeFile(failing.cache.folder, 'no folder');
  const options = queued(server);
  const running = generate(options);
  await until(() => failing.notes.some((note) => /cannot write .*EEXIST/.test(note)));
  await workerHere(t, server);
  t.like(await running, { made: 64 });
  t.deepEqual(await hashes(options.out), expected);
  t.is(await failing.stop(), 0);
  const failures = failing.notes.filter((note) => /cannot write/.test(note));
  t.true(failures.length < 5, failures.join('\n'));
});

redisTest('An interrupted worker returns its job at once', async (t) => {
  const server = await startRedis(t);
  const options = queued(server);
  const running = generate(options);
  const first = await workerProcess(t, server, 600);
  await says(first, /reverse steps/);
  first.process.kill('SIGINT');
  const { code, stderr } = await first.exit;
  t.is(code, 130);
  t.regex(stderr, /haze: interrupted; \d+ images? drawn, and no job is lost\n$/);
  t.is(await clientOf(t, server).llen(keyOf('active')), 0);
  await workerHere(t, server);
  t.like(await running, { made: 64 });
  t.deepEqual(await hashes(options.out), expected);
});

redisTest('Workers and runs can be interrupted while Redis is away', async (t) => {
  const server = await startRedis(t);
  const words =
    'generate model.safetensors --size 16 --timesteps 20 --count 5000 --batch 2 --out away';
  const env = { HAZE_CACHE: cache, REDIS_URL: server.url };
  const run = startHaze(t, folder, [...words.split(' '), '--queue', 'env'], env);
  const worker = await workerProcess(t, server);
  await until(async () => (await pictures(join(folder, 'away'))) >= 2);
  const both = [run, worker];
  const away = both.map((one) => says(one, /is unreachable; waiting for it/));
  await server.stop();
  await Promise.all(away);
  for (const { process } of both) process.kill('SIGINT');
  for (const { exit } of both) t.is((await exit).code, 130);
});

redisTest(
  'A job that has lost one worker after another is abandoned with a one-line error',
  async (t) => {
    const server = await startRedis(t);
    const running = t.throwsAsync(generate(queued(server)), { instanceOf: RunError });
    await loseJob(t, server, QUEUE);
    const worker = await workerHere(t, server);
    const error = await running;
    t.regex(
      error!.message,
      /^images \d+ to \d+: given up: every worker that took it was lost: killed, out of memory, or disconnected/,
    );
    t.true((await worker.stop()) > 0, 'the worker goes on with others');
  },
);

redisTest(
  'Invalid jobs fail at once with the name of the field, and the worker continues',
  async (t) => {
    const server = await startRedis(t);
    const connection = redisOptions(parseAddress('--queue', server.url));
    const queue = new Queue(QUEUE, { connection, prefix: 'haze' });
    t.teardown(() => queue.close());
    const sound = jobOf({ sha256: 'a'.repeat(64), bytes: 10 }, buildId(false));
    const elsewhere = { ...sound, build: '0.0.1-strict' };
    const hostile: [data: unknown, id: string, reason: RegExp][] = [
      [{ ...sound, code: 'process.exit(1)' }, 'g1', /^job\.code: unknown field/],
      [{ ...sound, images: [-1] }, 'g2', /^job\.images: /],
      ['{}', 'g3', /^job: expected an object/],
      [elsewhere, idOf(elsewhere), /^job\.build: expected .*, got 0\.0\.1-strict$/],
      [sound, 'g4', /^job: expected an id that matches its data, got another$/],
    ];
    const options = { attempts: 5, backoff: 60_000 };
    for (const [data, jobId] of hostile) await queue.add('generate', data, { ...options, jobId });
    await workerHere(t, server);
    for (const [, id, reason] of hostile) {
      await until(async () => (await queue.getJobState(id)) === 'failed');
      const job = await queue.getJob(id);
      t.regex(job!.failedReason, reason);
      t.is(job!.attemptsMade, 1);
    }
    const after = queued(server);
    t.like(await generate(after), { made: 64 });
    t.deepEqual(await hashes(after.out), expected);
  },
);

redisTest('Workers and a run wait for a full Redis, and nothing is lost', async (t) => {
  const server = await startRedis(t);
  const redis = clientOf(t, server);
  const notes: string[] = [];
  const onEvent = (event: GenerateEvent) => {
    if (event.kind === 'note') notes.push(event.text);
  };
  const options = queued(server, { ...many, onEvent });
  const running = generate(options);
  const worker = await workerHere(t, server);
  await until(async () => (await pictures(options.out)) >= 4);
  await redis.config('SET', 'maxmemory', '1');
  const full = / is full, using .* of its maxmemory of 1 bytes; waiting for room/;
  await until(() => worker.notes.some((note) => full.test(note)));
  await until(() => notes.some((note) => full.test(note)));
  // What is lost cannot be asked for again yet.
  await redis.flushall();
  await sleep(1000);
  await t.throwsAsync(generate({ ...options, out: join(folder, `out-${outs++}`) }), {
    instanceOf: UsageError,
    message: /^--queue: .*: expected room for .* \(weights, and \d+ images in transit\), got a/,
  });
  await redis.config('SET', 'maxmemory', '0');
  t.is((await running).made, many.count);
  t.true(notes.includes(`${server.url} has room again`), notes.join('\n'));
  t.false(
    notes.some((note) => /there is no worker/.test(note) && notes.indexOf(note) > 0),
    'workers that cannot announce themselves are not missed',
  );
  t.is(notes.filter((note) => full.test(note)).length, 1);
  t.deepEqual(await hashes(options.out), expectedMany);
});

redisTest('A job whose data are not JSON is added again by its run', async (t) => {
  const server = await startRedis(t);
  const redis = clientOf(t, server);
  const options = queued(server);
  const running = generate(options);
  await until(async () => (await redis.llen(keyOf('wait'))) > 0);
  const [id] = await redis.lrange(keyOf('wait'), 0, 0);
  await redis.hset(keyOf(id!), 'data', '{broken');
  const worker = await workerHere(t, server);
  t.is((await running).made, 64);
  const note = `${id!.slice(0, 12)}: the job's data are damaged; it is taken off the queue`;
  t.true(worker.notes.includes(note), worker.notes.join('\n'));
  t.deepEqual(await hashes(options.out), expected);
});

redisTest('A cache that is removed under a worker is made again', async (t) => {
  const server = await startRedis(t);
  const worker = await workerHere(t, server);
  await rm(worker.cache.folder, { recursive: true });
  const options = queued(server);
  await generate(options);
  t.deepEqual(await hashes(options.out), expected);
});

redisTest('Why an attempt failed is reported, without the path on the worker', async (t) => {
  const server = await startRedis(t);
  const failing = await workerHere(t, server);
  await rm(failing.cache.folder, { recursive: true });
  await writeFile(failing.cache.folder, 'no folder');
  const notes: string[] = [];
  const onEvent = (event: GenerateEvent) => {
    if (event.kind === 'note') notes.push(event.text);
  };
  const options = queued(server, { onEvent });
  const running = generate(options);
  const told = /^images? .*: failed, and is tried again: cannot write its cache.*EEXIST/;
  await until(() => notes.some((note) => told.test(note)));
  await workerHere(t, server);
  t.is((await running).made, 64);
});

redisTest('A run whose images are all in Redis already leaves no weights there', async (t) => {
  const server = await startRedis(t);
  const redis = clientOf(t, server);
  const connection = redisOptions(parseAddress('--queue', server.url));
  const queue = new Queue(QUEUE, { connection, prefix: 'haze' });
  t.teardown(() => queue.close());
  const few = { count: 2 };
  const controller = new AbortController();
  const interrupted = t.throwsAsync(
    generate(queued(server, { ...few, signal: controller.signal })),
    { instanceOf: Interrupted },
  );
  await until(async () => (await queue.getWaitingCount()) > 0);
  const [job] = await queue.getWaiting();
  controller.abort();
  await interrupted;
  await queue.add('generate', job!.data, { jobId: job!.id! });
  const worker = await workerHere(t, server);
  await until(async () => (await redis.keys('haze:images:*')).length > 0);
  await worker.stop();
  for (const key of await redis.keys('haze:*'))
    if (/:(blob|files):/.test(key)) await redis.del(key);
  t.like(await generate(queued(server, few)), { made: 2 });
  t.deepEqual(await redis.keys('haze:blob:*'), []);
});

redisTest('A run that begins can be interrupted while Redis hangs, whenever that is', async (t) => {
  const server = await startRedis(t);
  const observer = clientOf(t, server);
  const clients = async () =>
    String(await observer.client('LIST'))
      .trim()
      .split('\n').length;
  for (const milliseconds of [0, 10, 20, 40, 80]) {
    const controller = new AbortController();
    const running = t.throwsAsync(generate(queued(server, { signal: controller.signal })), {
      instanceOf: Interrupted,
    });
    await until(async () => (await clients()) > 1);
    await sleep(milliseconds);
    server.kill('SIGSTOP');
    await sleep(100);
    controller.abort();
    await running;
    server.kill('SIGCONT');
    await until(async () => (await clients()) === 1);
  }
});

redisTest('A worker can be interrupted while Redis hangs as it begins', async (t) => {
  const server = await startRedis(t);
  const relay = await startRelay(t, server);
  relay.silentAt = 'zadd';
  const worker = await workerProcess(t, relay);
  await says(worker, /waiting for jobs/);
  await sleep(200);
  worker.process.kill('SIGINT');
  t.is((await worker.exit).code, 130);
});

for (const forbidden of ['smembers', 'evalsha'])
  redisTest(`A worker whose user may not use ${forbidden} ends and says so`, async (t) => {
    const server = await startRedis(t);
    const user = ['hz', 'on', '>sesame', '~*', '&*', '+@all', `-${forbidden}`] as const;
    const admin = clientOf(t, server);
    await admin.acl('SETUSER', ...user);
    const running = generate(queued(server));
    const worker = await workerProcess(t, {
      url: server.url.replace('redis://', 'redis://hz:sesame@'),
    });
    const { code, stderr } = await worker.exit;
    t.is(code, 1);
    t.regex(
      stderr,
      /\nhaze: redis:\/\/\S+: (NOPERM|ERR) .*; ACL LOG on that Redis shows which it was\n$/,
    );
    await workerHere(t, server);
    t.like(await running, { made: 64 });
  });
