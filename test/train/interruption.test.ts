import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Interrupted } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { prepared } from '../helpers/run.js';

/** Options that abort the run when an event comes for which `when` holds, and what was told until then. */
function aborting(options: TrainOptions, when: (event: TrainEvent) => boolean) {
  const controller = new AbortController();
  const events: TrainEvent[] = [];
  const onEvent = (event: TrainEvent) => {
    events.push(event);
    if (when(event)) controller.abort();
  };
  return { events, options: { ...options, signal: controller.signal, onEvent } };
}

const kinds = (events: readonly TrainEvent[]) => [...new Set(events.map(({ kind }) => kind))];

test('an interruption while images are decoded leaves nothing behind', async (t) => {
  const { options } = await prepared(t);
  const config = { ...options.config, data: { ...options.config.data, source: 'toy-cars' } };
  const { options: run, events } = aborting(
    { ...options, config },
    (event) => event.kind === 'loading',
  );
  await t.throwsAsync(train(run), {
    instanceOf: Interrupted,
    message: 'interrupted before the first step; no run was written',
  });
  t.false(events.some((event) => event.kind === 'loading' && event.done === event.total));
  t.false(existsSync(options.out));
});

test('an interruption ends sampling, once the checkpoint is written', async (t) => {
  const { options } = await prepared(t, { saveEvery: 3, sampleEvery: 3 });
  const { options: run, events } = aborting(options, (event) => event.kind === 'pause');
  await t.throwsAsync(train(run), {
    instanceOf: Interrupted,
    message: /^interrupted at step 3; saved .*step-3\nTo continue: haze train --out \S+ --resume$/,
  });
  t.deepEqual(kinds(events).slice(-3), ['step', 'checkpoint', 'pause']);
  t.deepEqual(readdirSync(join(options.out, 'samples')), []);
  t.is(readFileSync(join(options.out, 'checkpoints', 'latest'), 'utf8'), 'step-3\n');
});

test('an interruption at the last step counts if it leaves work unfinished', async (t) => {
  const { options } = await prepared(t, { sampleEvery: 7 });
  const { options: run } = aborting(options, (event) => event.kind === 'pause');
  await t.throwsAsync(train(run), { instanceOf: Interrupted, message: /^interrupted at step 7/ });
  t.is(readFileSync(join(options.out, 'checkpoints', 'latest'), 'utf8'), 'step-7\n');
});

test('a resume computes a held-out loss that was interrupted', async (t) => {
  const { options } = await prepared(t, { steps: 8 });
  const data = { ...options.config.data, heldOut: { fraction: 0.5 } };
  const config = { ...options.config, data };
  // Twenty images, so steps 2, 4, 6 and 8 end an epoch; three batches are held out.
  const isSecond = (event: TrainEvent) =>
    event.kind === 'pause' && event.step === 4 && event.done < event.total;
  const { options: run } = aborting({ ...options, config }, isSecond);
  await t.throwsAsync(train(run), { instanceOf: Interrupted, message: /^interrupted at step 4/ });
  const metrics = join(options.out, 'metrics.jsonl');
  const measured = async () =>
    (await readMetrics(metrics)).flatMap((m) => ('heldOutLoss' in m ? [m] : []));
  t.deepEqual(
    (await measured()).map(({ step }) => step),
    [2],
  );
  await train({ ...options, config, resume: true });
  t.deepEqual(
    (await measured()).map(({ step }) => step),
    [2, 4, 6, 8],
  );
  const whole = join(options.out, '..', 'whole');
  await train({ ...options, config, out: whole });
  const expected = await readMetrics(join(whole, 'metrics.jsonl'));
  t.deepEqual(
    await measured(),
    expected.filter((m) => 'heldOutLoss' in m),
  );
});

test('a resume draws samples that an interruption or a kill prevented', async (t) => {
  const { options } = await prepared(t, { steps: 8, saveEvery: 3, sampleEvery: 3 });
  const grid = join(options.out, 'samples', 'step-3.png');
  const { options: run } = aborting(options, (event) => event.kind === 'pause');
  await t.throwsAsync(train(run), { instanceOf: Interrupted, message: /^interrupted at step 3/ });
  // What a kill leaves of it.
  const half = join(options.out, 'samples', '.step-3.png.1a2b3c4d.tmp');
  writeFileSync(half, 'half');
  // Interrupted again while it is made up: nothing is lost.
  const { options: again } = aborting({ ...options, resume: true }, ({ kind }) => kind === 'pause');
  await t.throwsAsync(train(again), { instanceOf: Interrupted, message: /^interrupted at step 3/ });
  t.deepEqual(readdirSync(join(options.out, 'samples')), []);
  const made: number[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'samples') made.push(event.step);
  };
  await train({ ...options, resume: true, onEvent });
  t.deepEqual(made, [3, 6]);
  t.deepEqual(readdirSync(join(options.out, 'samples')).sort(), ['step-3.png', 'step-6.png']);
  const whole = join(options.out, '..', 'whole');
  await train({ ...options, out: whole });
  for (const name of ['step-3.png', 'step-6.png'])
    t.deepEqual(
      readFileSync(join(options.out, 'samples', name)),
      readFileSync(join(whole, 'samples', name)),
    );
  // A grid that is there is not made again.
  made.length = 0;
  const config = { ...options.config, training: { ...options.config.training, steps: 9 } };
  await train({ ...options, config, resume: true, onEvent });
  t.deepEqual(made, [9]);
  t.true(existsSync(grid));
});
