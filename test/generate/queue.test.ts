import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Interrupted } from '../../src/errors.js';
import { generate } from '../../src/generate/generate.js';
import type { GenerateEvent } from '../../src/generate/options.js';
import { buildId } from '../../src/queue/build.js';
import { haze } from '../helpers/cli.js';
import { folderWithModel, hashes, model, optionsIn } from '../helpers/generate.js';
import { queuedIn, workerHere } from '../helpers/queue-worker.js';
import { clientOf, connectionTo, redisTest, startRedis } from '../helpers/redis.js';

/* Images that workers make through Redis, and all that goes as planned; what does not is in queue-faults.test.ts. */

let cache: string;

test.before(async () => {
  cache = await mkdtemp(join(tmpdir(), 'haze-test-'));
  process.env.HAZE_CACHE = cache;
});

test.after.always(() => rm(cache, { recursive: true, force: true }));

for (const format of ['png', 'npz', 'safetensors'] as const)
  redisTest(
    `Images of one worker and of two equal those of a local run, as ${format}`,
    async (t) => {
      const folder = await folderWithModel(t);
      const server = await startRedis(t);
      const local = optionsIn(folder, 'local', { format, count: 64, batch: 4 });
      await generate(local);
      const one = await workerHere(t, server);
      t.like(await generate(queuedIn(folder, 'one', server, { format })), { made: 64, kept: 0 });
      const two = await workerHere(t, server);
      t.like(await generate(queuedIn(folder, 'two', server, { format })), { made: 64, kept: 0 });
      for (const out of ['one', 'two'])
        t.deepEqual(await hashes(join(folder, out)), await hashes(local.out), out);
      const header = async (out: string) =>
        (await readFile(join(folder, out, 'manifest-1-of-1.jsonl'), 'utf8')).split('\n')[0];
      t.is(
        await header('one'),
        await header('local'),
        'settings and maker are those of a local run',
      );
      t.is((await one.stop()) + (await two.stop()), 128);
    },
  );

redisTest('A folder begun locally is continued by workers, and the other way round', async (t) => {
  const folder = await folderWithModel(t);
  const server = await startRedis(t);
  await workerHere(t, server);
  const local = optionsIn(folder, 'local', { count: 30 });
  await generate(local);
  await generate(optionsIn(folder, 'out', { count: 11 }));
  t.like(await generate(queuedIn(folder, 'out', server, { count: 25, batch: null })), {
    made: 14,
    kept: 11,
  });
  t.like(await generate(optionsIn(folder, 'out', { count: 30 })), { made: 5, kept: 25 });
  t.deepEqual(await hashes(join(folder, 'out')), await hashes(local.out));
});

redisTest(
  'The queue handles batch statistics, a guide and two models at the same time',
  async (t) => {
    const folder = await folderWithModel(t);
    const server = await startRedis(t);
    const worker = await workerHere(t, server, { lostAfter: 30 });
    const sampling = { sampler: 'ddim', steps: 3, eta: 0, norm: 'batch' } as const;
    const guide = { weights: join(folder, 'model.safetensors'), model, guidance: 2 };
    const cases = {
      batch: { count: 10, batch: 4, sampling },
      guided: { count: 6, batch: 3, guide },
      seed: { count: 12, seed: 9 },
    };
    const names = Object.keys(cases) as (keyof typeof cases)[];
    for (const name of names) await generate(optionsIn(folder, `local-${name}`, cases[name]));
    await Promise.all(names.map((name) => generate(queuedIn(folder, name, server, cases[name]))));
    for (const name of names)
      t.deepEqual(
        await hashes(join(folder, name)),
        await hashes(join(folder, `local-${name}`)),
        name,
      );
    t.true(worker.notes.length >= 3, 'it opened each of them');
    t.is(await worker.stop(), 30, 'batches of statistics are whole');
  },
);

redisTest('Only small data that expire stay in Redis', async (t) => {
  const folder = await folderWithModel(t);
  const server = await startRedis(t);
  const worker = await workerHere(t, server);
  await generate(queuedIn(folder, 'out', server));
  await worker.stop();
  const redis = clientOf(t, server);
  const lasting = [];
  for (const key of await redis.keys('*')) if ((await redis.ttl(key)) < 0) lasting.push(key);
  const queue = `haze:generate-${buildId(false)}`;
  const small = ['haze:builds', `${queue}:events`, `${queue}:id`, `${queue}:meta`];
  t.deepEqual(
    lasting.filter((key) => !small.includes(key)),
    [],
  );
});

redisTest('An interrupted run leaves no waiting job, and continues where it stopped', async (t) => {
  const folder = await folderWithModel(t);
  const server = await startRedis(t);
  const abort = new AbortController();
  const onEvent = (event: GenerateEvent) => {
    if (event.kind === 'progress' && event.done > 0) abort.abort();
  };
  // Enough of them that it is not finished when the first ones are seen, however busy the machine.
  const count = 2048;
  const options = queuedIn(folder, 'out', server, { count, signal: abort.signal, onEvent });
  const running = generate(options);
  const worker = await workerHere(t, server);
  await t.throwsAsync(running, { instanceOf: Interrupted, message: /of 2048 images are finished/ });
  const { redis } = await connectionTo(t, server);
  t.is(await redis.llen(`haze:generate-${buildId(false)}:wait`), 0);
  const { signal: _, onEvent: __, ...rest } = options;
  const { made, kept } = await generate(rest);
  t.is(made + kept, count);
  t.true(kept > 0);
  await worker.stop();
  await generate(optionsIn(folder, 'local', { count }));
  t.deepEqual(await hashes(join(folder, 'out')), await hashes(join(folder, 'local')));
});

redisTest('Devices and settings that belong to workers are refused with --queue', async (t) => {
  const folder = await folderWithModel(t);
  const call = (...words: string[]) =>
    haze(folder, [
      'generate',
      'model.safetensors',
      '--size',
      '16',
      '--queue',
      'redis://:secret@localhost:1',
      ...words,
    ]);
  const workers = await call('--workers', '3');
  t.is(workers.code, 2);
  t.regex(workers.stderr, /^haze: --workers: belongs to haze worker when --queue is given/);
  t.regex((await call('--device', 'auto')).stderr, /^haze: --device: expected wasm with --queue/);
  const away = await call();
  t.is(away.code, 1);
  t.regex(away.stderr, /haze: --queue: redis:\/\/localhost:1: cannot be reached: nothing listens/);
  t.notRegex(away.stderr, /secret/);
});
