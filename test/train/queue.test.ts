import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { RunConfig } from '../../src/config/config.js';
import { Interrupted, UsageError } from '../../src/errors.js';
import { buildId } from '../../src/queue/build.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { autoencoderFolder } from '../helpers/autoencoder-fixture.js';
import { temporaryFolder } from '../helpers/folder.js';
import { trainerHere } from '../helpers/queue-worker.js';
import { clientOf, redisTest, startRedis } from '../helpers/redis.js';
import { FILES, fileOf, logOf, type Network, replicated } from '../helpers/replicas.js';
import { newRun, writeBars, writeLabelledBars } from '../helpers/run.js';

/* Replicas that workers train through Redis, and all that goes as planned; what does not is in queue-faults.test.ts. */

let cache: string;

test.before(async () => {
  cache = await mkdtemp(join(tmpdir(), 'haze-test-'));
  process.env.HAZE_CACHE = cache;
});

test.after.always(() => rm(cache, { recursive: true, force: true }));

const read = (options: TrainOptions, step: number) =>
  FILES.map((name) => fileOf(options, step, name));

for (const network of ['simple', 'unet2d'] as Network[])
  redisTest(
    `${network}: one worker and two train replicas to the bits of a local run`,
    async (t) => {
      const folder = await temporaryFolder(t);
      const server = await startRedis(t);
      const run = replicated(writeBars(folder), network, { steps: 7 });
      const config = { ...run, data: { ...run.data, heldOut: { fraction: 0.2 } } };
      const local = newRun(config, join(folder, 'local'));
      await train(local);
      const one = await trainerHere(t, server, { threads: 1, lostAfter: 30 });
      const taken = [];
      for (const out of ['one', 'two']) {
        const options = { ...newRun(config, join(folder, out)), queue: server.url };
        if (out === 'two') taken.push((await trainerHere(t, server, { lostAfter: 30 })).stop);
        t.is((await train(options)).steps, 7);
        t.deepEqual(read(options, 7), read(local, 7), out);
        t.deepEqual(await logOf(options), await logOf(local), out);
      }
      const steps = await Promise.all([one.stop(), ...taken.map((stop) => stop())]);
      t.is(
        steps.reduce((a, b) => a + b),
        2 * 3 * 7,
        'no step was taken twice',
      );
    },
  );

redisTest('the queue handles classes, accumulated batches and growing images', async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startRedis(t);
  await trainerHere(t, server);
  const change = { steps: 6, grow: '8:0.5', accumulate: 2, batch: 1, labelDropout: 0.3 };
  const run = replicated(writeLabelledBars(folder), 'unet2d', change);
  const config: RunConfig = { ...run, data: { ...run.data, classes: { by: 'auto', names: [] } } };
  const local = newRun(config, join(folder, 'local'));
  await train(local);
  const options = { ...newRun(config, join(folder, 'queued')), queue: server.url };
  await train(options);
  t.deepEqual(read(options, 6), read(local, 6));
  t.deepEqual(await logOf(options), await logOf(local));
});

for (const flip of [true, false])
  redisTest(
    `latents go to workers, ${flip ? 'with' : 'without'} those of mirrored pictures`,
    async (t) => {
      const folder = await temporaryFolder(t);
      const server = await startRedis(t);
      await trainerHere(t, server);
      const run = replicated(writeBars(folder), 'unet2d', { steps: 4 });
      const autoencoder = await autoencoderFolder(t, 'tiny_16');
      const config: RunConfig = {
        ...run,
        data: { ...run.data, flip, autoencoder, heldOut: { fraction: 0.2 } },
        model: { ...run.model, channels: 5 },
      };
      const local = newRun(config, join(folder, 'local'));
      await train(local);
      const options = { ...newRun(config, join(folder, 'queued')), queue: server.url };
      await train(options);
      t.deepEqual(read(options, 4), read(local, 4));
      t.deepEqual(await logOf(options), await logOf(local));
    },
  );

redisTest('a run that ends leaves the files that another one began with', async (t) => {
  const folder = await temporaryFolder(t);
  const server = await startRedis(t);
  const config = replicated(writeBars(folder), 'simple');
  const strict = { ...config, computing: { ...config.computing, strict: true } };
  const local = newRun(strict, join(folder, 'local'));
  await train(local);
  // No worker has its build yet: it waits in its first round while the other begins, from the same files, and ends.
  const waiting = newRun(strict, join(folder, 'waiting'));
  const waits = train({ ...waiting, queue: server.url });
  const other = newRun(config, join(folder, 'other'));
  await trainerHere(t, server);
  await Promise.race([train({ ...other, queue: server.url }), waits]);
  await trainerHere(t, server, { strict: true });
  await waits;
  t.deepEqual(read(waiting, 5), read(local, 5));
});

/** Stops a run when something is told. */
async function stopAt(options: TrainOptions, stop: (event: TrainEvent) => boolean) {
  const controller = new AbortController();
  const onEvent = (event: TrainEvent) => {
    if (stop(event)) controller.abort();
  };
  return train({ ...options, signal: controller.signal, onEvent }).then(
    () => undefined,
    (error: unknown) => error,
  );
}

redisTest(
  'a run stopped locally, even within a round, continues with workers, and the other way round',
  async (t) => {
    const folder = await temporaryFolder(t);
    const server = await startRedis(t);
    await trainerHere(t, server);
    const config = replicated(writeBars(folder), 'simple', { steps: 7, syncEvery: 3 });
    const local = newRun(config, join(folder, 'local'));
    await train(local);
    const queue = server.url;
    const there = newRun(config, join(folder, 'there'));
    t.true((await stopAt(there, (e) => e.kind === 'step' && e.step === 2)) instanceof Interrupted);
    await train({ ...there, queue, resume: true });
    t.deepEqual(read(there, 7), read(local, 7));
    const here = newRun(config, join(folder, 'here'));
    const error = await stopAt({ ...here, queue }, (e) => e.kind === 'step' && e.step === 4);
    t.regex(
      (error as Error).message,
      /^interrupted at step 6; /,
      'a round that is computed is saved',
    );
    await train({ ...here, resume: true });
    t.deepEqual(read(here, 7), read(local, 7));
  },
);

redisTest(
  'a run that waits for workers says so, and an interruption keeps its last state',
  async (t) => {
    const folder = await temporaryFolder(t);
    const server = await startRedis(t);
    const other = await trainerHere(t, server, { build: '0.0.1-relaxed-000000000000' });
    const config = replicated(writeBars(folder), 'simple');
    const options = { ...newRun(config, join(folder, 'run')), queue: server.url };
    const line = `there is no worker for ${buildId(false)}; there is one of 0.0.1-relaxed-000000000000: version, --strict and processor must agree`;
    const error = await stopAt(options, (e) => e.kind === 'note' && e.text === line);
    t.true(error instanceof Interrupted);
    t.regex((error as Error).message, /^interrupted at step 0; saved .*step-0\n/);
    t.is(await other.stop(), 0, 'a worker of another build leaves jobs alone');
    await trainerHere(t, server);
    await train({ ...options, resume: true });
    const local = newRun(config, join(folder, 'local'));
    await train(local);
    t.deepEqual(read(options, 5), read(local, 5));
  },
);

redisTest(
  'a run reports the bytes and times of a round, and leaves almost nothing in Redis',
  async (t) => {
    const folder = await temporaryFolder(t);
    const server = await startRedis(t);
    const worker = await trainerHere(t, server);
    const notes: string[] = [];
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'note') notes.push(event.text);
    };
    const config = replicated(writeBars(folder), 'simple', { steps: 20 });
    const options = { ...newRun(config, join(folder, 'run')), queue: server.url, onEvent };
    await train(options);
    const text = notes.join('\n');
    t.regex(
      text,
      /^queue {3}redis:.*: a round sends .* and brings back .*; up to .* lie in Redis$/m,
    );
    t.regex(
      text,
      /^queue {3}a round takes \S+ s, of which the slowest worker computes .*, loads .* and sends .*; here upload .*, download .*, average /m,
    );
    const left = await clientOf(t, server).keys('haze:blob:*');
    t.deepEqual(left, [], 'a run that is over leaves no file');
    const files = async (dir: string) => (await readdir(dir)).length;
    t.true((await files(worker.cache.folder)) < 40, 'a worker drops what lies some rounds back');
  },
);

redisTest(
  'a Redis without room for a round is refused before the first round, and no run is left',
  async (t) => {
    const folder = await temporaryFolder(t);
    const server = await startRedis(t);
    const used = await clientOf(t, server).info('memory');
    const bytes = Number(/used_memory:(\d+)/.exec(used)![1]);
    await clientOf(t, server).config('SET', 'maxmemory', String(bytes + 200_000));
    const config = replicated(writeBars(folder), 'simple');
    const options = { ...newRun(config, join(folder, 'run')), queue: server.url };
    await t.throwsAsync(train(options), {
      instanceOf: UsageError,
      message:
        /^--queue: .*: expected room for .* \(images, and replicas in transit\), got a Redis/,
    });
    t.deepEqual(await readdir(folder), ['bars.idx']);
  },
);

test('a queue is for runs with rounds on the wasm device', async (t) => {
  const folder = await temporaryFolder(t);
  const config = replicated(writeBars(folder), 'simple');
  const refused = async (change: object, message: RegExp, more = {}) =>
    t.throwsAsync(
      train({
        ...newRun({ ...config, ...change } as RunConfig, join(folder, 'run')),
        queue: 'redis://127.0.0.1:1',
        ...more,
      }),
      { instanceOf: UsageError, message },
    );
  const training = { ...config.training, replicas: 1, syncEvery: null };
  await refused({ training }, /^--queue: workers train the replicas of a round; give --replicas/);
  const computing = { ...config.computing, device: 'tensorflow' };
  await refused({ computing }, /^--device: expected wasm with --queue, .*, got tensorflow$/);
  await refused({}, /^--minutes: measures this machine alone; with --queue give --steps$/, {
    minutes: 1,
  });
  await refused({}, /^--queue: expected redis:\/\//, { queue: 'host:6379' });
});
