import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Queue } from 'bullmq';
import { RunError } from '../../src/errors.js';
import { parseAddress } from '../../src/queue/address.js';
import { buildId, queueOf } from '../../src/queue/build.js';
import { redisOptions } from '../../src/queue/connect.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { haze, startHaze } from '../helpers/cli.js';
import { loseJob } from '../helpers/lost-job.js';
import { says, trainerHere, workerProcess } from '../helpers/queue-worker.js';
import { clientOf, type RedisServer, redisTest, startRedis, until } from '../helpers/redis.js';
import { startRelay } from '../helpers/relay.js';
import { FILES, fileOf, logOf, replicated } from '../helpers/replicas.js';
import { newRun, writeBars } from '../helpers/run.js';

/* Workers, Redis and coordinators that are lost, damaged or hostile: the run stays a local one, or one line says why not. */

let folder: string;
let local: TrainOptions;

const STEPS = 90;
const read = (options: Pick<TrainOptions, 'out'>) =>
  FILES.map((name) => fileOf(options, STEPS, name));

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'haze-test-'));
  process.env.HAZE_CACHE = join(folder, 'cache');
  const config = replicated(writeBars(folder), 'simple', { steps: STEPS, syncEvery: 30 });
  local = newRun(config, join(folder, 'local'));
  await train(local);
});

test.after.always(() => rm(folder, { recursive: true, force: true }));

let outs = 0;
const queued = ({ url }: RedisServer): TrainOptions => ({
  ...local,
  out: join(folder, `out-${outs++}`),
  queue: url,
});

/** What a run tells. */
function listening(options: TrainOptions) {
  const notes: string[] = [];
  const steps: number[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'note') notes.push(event.text);
    if (event.kind === 'step') steps.push(event.step);
  };
  return { notes, steps, options: { ...options, onEvent } };
}

/** Whether a run has ended. */
function isOver(running: Promise<unknown>): () => boolean {
  let over = false;
  const note = () => {
    over = true;
  };
  running.then(note, note);
  return () => over;
}

/** A worker has begun to train. */
const BEGUN = /run [0-9a-f]{12}: /;

redisTest('Workers that are repeatedly killed and replaced train the same run', async (t) => {
  const server = await startRedis(t);
  const options = queued(server);
  const running = train(options);
  const over = isOver(running);
  let lost = 0;
  for (let i = 0; i < 4 && !over(); i++) {
    const victim = await workerProcess(t, server);
    await Promise.race([says(victim, BEGUN), running]);
    await sleep(100 * i);
    if (!over()) lost++;
    victim.process.kill('SIGKILL');
  }
  t.true(lost > 0, 'a worker was killed at work');
  await workerProcess(t, server);
  await running;
  t.deepEqual(read(options), read(local));
  t.deepEqual(await logOf(options), await logOf(local));
});

redisTest(
  'A worker that freezes for longer than its lock and then continues does no harm',
  async (t) => {
    const server = await startRedis(t);
    const options = queued(server);
    const running = train(options);
    const frozen = await workerProcess(t, server);
    await says(frozen, BEGUN);
    frozen.process.kill('SIGSTOP');
    await trainerHere(t, server);
    await running;
    frozen.process.kill('SIGCONT');
    t.deepEqual(read(options), read(local));
    const again = queued(server);
    await train(again);
    t.deepEqual(read(again), read(local), 'with the worker that is back');
  },
);

for (const [what, settings] of [
  ['keeps its data', ['--appendonly', 'yes']],
  ['loses its data', []],
] as const)
  redisTest(
    `A Redis that ${what}, is away for longer than a lock and comes back changes no bit`,
    async (t) => {
      const server = await startRedis(t, settings);
      const { options, notes, steps } = listening(queued(server));
      const running = train(options);
      const worker = await trainerHere(t, server);
      await until(() => worker.notes.some((note) => BEGUN.test(note)));
      await server.stop();
      await sleep(3000);
      await server.start();
      await running;
      t.deepEqual(read(options), read(local));
      t.is(steps.length, STEPS);
      t.true(notes.includes(`${server.url} is back`), notes.join('\n'));
    },
  );

const WORDS = [
  ...[
    'train',
    'bars.idx',
    '--size',
    '16',
    '--widths',
    '8,16',
    '--channels',
    '1',
    '--time-dim',
    '8',
  ],
  ...['--timesteps', '20', '--batch', '2', '--steps', '40', '--replicas', '3', '--sync-every', '4'],
  ...['--save-every', '4', '--sample-every', '0', '--keep', '20', '--threads', '1', '--seed', '3'],
];

redisTest(
  'A coordinator that was killed continues from its last round when it is run again',
  async (t) => {
    const server = await startRedis(t);
    await trainerHere(t, server);
    const env = { HAZE_CACHE: join(folder, 'cache') };
    const own = ['--queue', server.url];
    t.is((await haze(folder, [...WORDS, '--out', 'alone'], env)).code, 0);
    const first = startHaze(t, folder, [...WORDS, '--out', 'killed', ...own], env);
    const saved = () => {
      try {
        return readdirSync(join(folder, 'killed/checkpoints')).filter((name) => /^step/.test(name));
      } catch {
        return [];
      }
    };
    await until(() => saved().length >= 2);
    first.process.kill('SIGKILL');
    await first.exit;
    t.true(saved().length < 10, 'it was killed before its end');
    const again = ['train', '--out', 'killed', '--resume', ...own];
    const { code, stderr } = await haze(folder, again, env);
    t.is(code, 0, stderr);
    for (const name of FILES.filter((file) => !file.startsWith('ema')))
      for (const step of [8, 40])
        t.deepEqual(
          fileOf({ out: join(folder, 'killed') }, step, name),
          fileOf({ out: join(folder, 'alone') }, step, name),
          `${name} at ${step}`,
        );
    t.deepEqual(
      await logOf({ out: join(folder, 'killed') }),
      await logOf({ out: join(folder, 'alone') }),
    );
    const config = await readFile(join(folder, 'killed/config.json'), 'utf8');
    t.false(config.includes('redis'), 'where Redis was is no part of a run');
  },
);

redisTest('Files damaged in Redis are sent again and never used', async (t) => {
  const server = await startRedis(t);
  const redis = clientOf(t, server);
  const options = queued(server);
  const running = train(options);
  const wait = `haze:${queueOf(buildId(false), 'train')}:wait`;
  await until(async () => (await redis.llen(wait)) > 0);
  for (const key of await redis.keys('haze:blob:*')) await redis.setrange(key, 2000, 'damage');
  const worker = await trainerHere(t, server);
  // What workers have made is damaged as well, again and again.
  const over = isOver(running);
  for (let damaged = 0; damaged < 3 && !over(); ) {
    const [key] = await redis.keys('haze:trained:*');
    if (key && (await redis.set(key, 'damage', 'XX')) === 'OK') damaged++;
    await sleep(20);
  }
  await running;
  t.deepEqual(read(options), read(local));
  t.true(
    worker.notes.some((note) => /the copy in Redis is damaged; it was removed/.test(note)),
    worker.notes.join('\n'),
  );
});

redisTest(
  'Invalid jobs fail at once with the name of the field, and the worker continues',
  async (t) => {
    const server = await startRedis(t);
    const connection = redisOptions(parseAddress('--queue', server.url));
    const queue = new Queue(queueOf(buildId(false), 'train'), { connection, prefix: 'haze' });
    t.teardown(() => queue.close());
    const hostile: [data: unknown, id: string, reason: RegExp][] = [
      ['{}', 't1', /^job: expected an object/],
      [{}, 't2', /^job\.build: expected a value/],
      [{ build: buildId(false), config: local.config }, 't3', /^job\.images: expected a value/],
    ];
    for (const [data, jobId] of hostile) await queue.add('train', data, { jobId, attempts: 5 });
    await trainerHere(t, server);
    for (const [, id, reason] of hostile) {
      await until(async () => (await queue.getJobState(id)) === 'failed');
      const job = await queue.getJob(id);
      t.regex(job!.failedReason, reason);
      t.is(job!.attemptsMade, 1);
    }
    const options = queued(server);
    await train(options);
    t.deepEqual(read(options), read(local));
  },
);

redisTest(
  'A job that has lost one worker after another ends a run with a one-line error, and the worker continues',
  async (t) => {
    const server = await startRedis(t);
    const running = t.throwsAsync(train(queued(server)), { instanceOf: RunError });
    await loseJob(t, server, queueOf(buildId(false), 'train'));
    await trainerHere(t, server);
    const error = await running;
    t.regex(
      error!.message,
      /^replica \d, steps 1 to 30: given up: every worker that took it was lost: killed, out of memory, or disconnected[^\n]*$/,
    );
    const again = queued(server);
    await train(again);
    t.deepEqual(read(again), read(local));
  },
);

redisTest(
  'A loss that is not finite ends a run with a one-line error, wherever it was computed',
  async (t) => {
    const server = await startRedis(t);
    await trainerHere(t, server);
    const { options } = listening(queued(server));
    const training = { ...options.config.training, lr: 1e30 };
    const error = await t.throwsAsync(
      train({ ...options, config: { ...options.config, training } }),
      { instanceOf: RunError },
    );
    t.regex(
      error!.message,
      /^replica \d, steps 1 to 30: given up: step \d+: the loss is \S+; a lower --lr may/,
    );
  },
);

redisTest('A slow network that breaks during a transfer loses nothing', async (t) => {
  const server = await startRedis(t);
  const relay = await startRelay(t, server, 2e6);
  const options = queued(server);
  const running = train(options);
  const worker = await trainerHere(t, relay);
  const over = isOver(running);
  for (let i = 0; i < 4; i++) {
    const before = relay.passed;
    // A replica is some hundred thousand bytes.
    await until(() => over() || relay.passed > before + 150_000);
    relay.cut();
  }
  await running;
  t.deepEqual(read(options), read(local));
  t.true(worker.notes.some((note) => /is unreachable; waiting for it$/.test(note)));
});

redisTest('A run waits for a full Redis, says so once, and changes no bit', async (t) => {
  const server = await startRedis(t);
  const redis = clientOf(t, server);
  const { options, notes, steps } = listening(queued(server));
  const running = train(options);
  await trainerHere(t, server);
  await until(() => steps.length > 0);
  await redis.config('SET', 'maxmemory', '1');
  const full = / is full, using .* of its maxmemory of 1 bytes; waiting for room/;
  await until(() => notes.some((note) => full.test(note)));
  await sleep(2500);
  t.true(steps.length < STEPS);
  await redis.config('SET', 'maxmemory', '0');
  await running;
  t.is(notes.filter((note) => full.test(note)).length, 1, notes.join('\n'));
  t.deepEqual(read(options), read(local));
});

redisTest(
  'A Redis that refuses a write ends a run, after its last state is saved, and its workers',
  async (t) => {
    const server = await startRedis(t);
    const redis = clientOf(t, server);
    const { options, steps } = listening(queued(server));
    const running = t.throwsAsync(train(options), { instanceOf: RunError });
    const worker = await workerProcess(t, server);
    await until(() => steps.length > 0);
    await redis.acl('SETUSER', 'default', '-set', '-zadd');
    const { message } = (await running)!;
    const [, step] = /\nSaved .*step-(\d+)\n/.exec(message) ?? [];
    // What a script may not do, Redis refuses in other words than a command.
    t.regex(
      message,
      /^redis:\/\/127\.0\.0\.1:\d+: (NOPERM|ERR The user executing the script) [^\n]*\nSaved /,
    );
    t.true([30, 60].includes(Number(step)), message);
    const to = `To continue: haze train --out ${options.out} --resume --queue ${server.url}`;
    t.is(message.split('\n').at(-1), to);
    const { code, stderr } = await worker.exit;
    t.is(code, 1, stderr);
    t.regex(stderr, /\nhaze: redis:\/\/\S+: (NOPERM|ERR) [^\n]*; ACL LOG on that Redis [^\n]*\n$/);
    await redis.acl('SETUSER', 'default', '+set', '+zadd');
    await trainerHere(t, server);
    await train({ ...options, resume: true });
    t.deepEqual(read(options), read(local));
  },
);

redisTest('The same run in two folders at once comes to the same bits', async (t) => {
  const server = await startRedis(t);
  await trainerHere(t, server);
  const [one, two] = [listening(queued(server)), listening(queued(server))];
  await Promise.all([train(one.options), train(two.options)]);
  for (const { options } of [one, two]) t.deepEqual(read(options), read(local));
  const told = [...one.notes, ...two.notes].filter((note) => /trains the same run/.test(note));
  t.true(told.length > 0);
});

redisTest(
  'What a killed run left in Redis does not count against the room for its resume',
  async (t) => {
    const server = await startRedis(t);
    const redis = clientOf(t, server);
    const env = { HAZE_CACHE: join(folder, 'cache') };
    const own = ['--queue', server.url];
    const before = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
    const first = startHaze(t, folder, [...WORDS, '--out', 'tight', ...own], env);
    const worker = await trainerHere(t, server);
    const saved = () => {
      try {
        return readdirSync(join(folder, 'tight/checkpoints')).filter((name) => /^step/.test(name));
      } catch {
        return [];
      }
    };
    await until(() => saved().length >= 2);
    first.process.kill('SIGKILL');
    await first.exit;
    await worker.stop();
    const left = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
    t.true(left > before + 100_000, 'it left something');
    const resume = () => haze(folder, ['train', '--out', 'tight', '--resume', ...own], env);
    const asked = ({ code, stderr }: { code: number | null; stderr: string }) => {
      t.is(code, 2, stderr);
      const [, size, unit] = /expected room for (\S+) (\w+)/.exec(stderr) ?? [];
      return Number(size) * (unit === 'MiB' ? 2 ** 20 : 2 ** 10);
    };
    await redis.config('SET', 'maxmemory', String(left));
    const room = asked(await resume());
    await redis.config('SET', 'maxmemory', String(Math.ceil(left + room + 500_000)));
    await trainerHere(t, server);
    const again = await resume();
    t.is(again.code, 0, again.stderr);
    t.deepEqual(await redis.keys('haze:blob:*'), []);
    await rm(join(folder, 'tight'), { recursive: true });
    await redis.config('SET', 'maxmemory', '1');
    const whole = asked(await haze(folder, [...WORDS, '--out', 'tight', ...own], env));
    t.true(whole > room + 100_000, `${whole} without files, ${room} with them`);
  },
);

redisTest(
  'A password that is set meanwhile ends a run, after its last state is saved, and its workers',
  async (t) => {
    const server = await startRedis(t);
    const redis = clientOf(t, server);
    const { options, steps } = listening(queued(server));
    const running = t.throwsAsync(train(options), { instanceOf: RunError });
    const worker = await workerProcess(t, server);
    await until(() => steps.length > 0);
    await redis.config('SET', 'requirepass', 'sesame');
    await redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const { message } = (await running)!;
    t.regex(message, /^redis:\/\/\S+: needs a password, and none is given \(NOAUTH\)\nSaved /);
    const { code, stderr } = await worker.exit;
    t.is(code, 1, stderr);
    t.regex(stderr, /\nhaze: redis:\/\/\S+: needs a password, and none is given \(NOAUTH\)\n$/);
    await redis.config('SET', 'requirepass', '');
    await trainerHere(t, server);
    await train({ ...options, resume: true });
    t.deepEqual(read(options), read(local));
  },
);

redisTest(
  'A result whose file is damaged on disk before it is read is fetched again',
  async (t) => {
    const server = await startRedis(t);
    const options = queued(server);
    const weights = join(process.env.HAZE_CACHE!, 'weights');
    const redis = clientOf(t, server);
    const running = train(options);
    await trainerHere(t, server, { threads: 1 });
    // Whatever is fetched is damaged at once: results lie there until the slowest replica's is there.
    let damaged = 0;
    const over = isOver(running);
    while (damaged < 4 && !over()) {
      for (const key of await redis.keys('haze:trained:*')) {
        const text = await redis.get(key);
        const { end } = JSON.parse(text?.slice(64) ?? '{"end":null}');
        const path = end && join(weights, `${end.weights.sha256}.safetensors`);
        if (!path || !existsSync(path)) continue;
        damaged++;
        writeFileSync(path, damaged % 2 === 0 ? '' : 'no weights');
      }
      await sleep(5);
    }
    await running;
    t.true(damaged > 0);
    t.deepEqual(read(options), read(local));
  },
);
