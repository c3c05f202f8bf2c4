import { join } from 'node:path';
import test from 'ava';
import type { RunConfig } from '../../src/config/config.js';
import { Interrupted } from '../../src/errors.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { trainSteps } from '../../src/train/steps.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder } from '../helpers/folder.js';
import { dataOf, FILES, fileOf, logOf, type Network, replicated } from '../helpers/replicas.js';
import { newRun, writeBars } from '../helpers/run.js';

const read = (options: TrainOptions, step: number) =>
  FILES.map((name) => fileOf(options, step, name));

/** Trains until a step is taken, and stops there as Ctrl-C does. */
async function stopAt(options: TrainOptions, step: number): Promise<void> {
  const controller = new AbortController();
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'step' && event.step === step) controller.abort();
  };
  const error = await train({ ...options, signal: controller.signal, onEvent }).catch((e) => e);
  if (!(error instanceof Interrupted)) throw error;
}

const withThreads = (config: RunConfig, threads: number): RunConfig => ({
  ...config,
  computing: { ...config.computing, threads },
});

for (const network of ['simple', 'unet2d'] as Network[])
  test(`${network}: a run stopped at any step, even within a round, and resumed with any threads has the same bits`, async (t) => {
    const folder = await temporaryFolder(t);
    const run = replicated(writeBars(folder), network, { syncEvery: 3, saveEvery: 1 });
    const config = { ...run, data: { ...run.data, heldOut: { fraction: 0.2 } } };
    const whole = newRun(config, join(folder, 'whole'));
    await train(whole);
    const [expected, lines] = [read(whole, 5), await logOf(whole)];
    for (const [step, threads] of [
      [1, 1],
      [2, 3],
      [3, 1],
      [4, 1],
    ] as const) {
      const options = newRun(withThreads(config, threads), join(folder, `stopped-${step}`));
      await stopAt(options, step);
      t.deepEqual(
        dataOf(fileOf(options, step, 'model')),
        dataOf(
          step < 3
            ? fileOf({ out: join(folder, 'stopped-1') }, 1, 'model')
            : fileOf(whole, 3, 'model'),
        ),
        'the model is what the last round ended with',
      );
      await train({ ...options, resume: true });
      t.deepEqual(read(options, 5), expected, `stopped at ${step}`);
      t.deepEqual(await logOf(options), lines, `stopped at ${step}`);
    }
  });

test('a run stopped twice within a round has the same bits, and trainSteps yields every step', async (t) => {
  const folder = await temporaryFolder(t);
  const config = replicated(writeBars(folder), 'simple', { syncEvery: 4 });
  const whole = newRun(config, join(folder, 'whole'));
  const steps: number[] = [];
  for await (const { step } of trainSteps(whole)) steps.push(step);
  t.deepEqual(steps, [1, 2, 3, 4, 5]);
  const options = newRun(config, join(folder, 'stopped'));
  await stopAt(options, 1);
  await stopAt({ ...options, resume: true }, 3);
  await train({ ...options, resume: true });
  t.deepEqual(read(options, 5), read(whole, 5));
});

test('a run stopped within a round and resumed for no more steps ends there', async (t) => {
  const folder = await temporaryFolder(t);
  const config = replicated(writeBars(folder), 'simple', { syncEvery: 4, decay: 'constant' });
  const short = { ...config, training: { ...config.training, steps: 3 } };
  const whole = newRun(short, join(folder, 'whole'));
  await train(whole);
  const options = newRun(config, join(folder, 'stopped'));
  await stopAt(options, 3);
  const { steps, checkpoint } = await train({ ...options, config: short, resume: true });
  t.is(steps, 3);
  t.is(checkpoint, join(options.out, 'checkpoints', 'step-3'));
  t.deepEqual(read(options, 3), read(whole, 3));
  // Once it is ended, there is nothing more to do.
  await train({ ...options, config: short, resume: true });
  t.deepEqual(read(options, 3), read(whole, 3));
});

test('a growing run whose stage ends within a round stops and resumes there', async (t) => {
  const folder = await temporaryFolder(t);
  const config = replicated(writeBars(folder), 'unet2d', { grow: '8:0.4', syncEvery: 3 });
  const whole = newRun(config, join(folder, 'whole'));
  await train(whole);
  for (const step of [1, 2, 4]) {
    const options = newRun(config, join(folder, `stopped-${step}`));
    await stopAt(options, step);
    await train({ ...options, resume: true });
    t.deepEqual(read(options, 5), read(whole, 5), `stopped at ${step}`);
  }
});
