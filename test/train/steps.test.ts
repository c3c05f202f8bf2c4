import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import {
  Interrupted,
  load,
  RunError,
  type TrainStep,
  trainSteps,
  UsageError,
} from '../../src/index.js';
import { readMetrics } from '../../src/io/metrics.js';
import type { TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { prepared } from '../helpers/run.js';

const state = (run: string, step: number) =>
  ['model', 'optimizer'].map((name) =>
    readFileSync(join(run, 'checkpoints', `step-${step}`, `${name}.safetensors`)),
  );

/** All steps, and what the iteration returned. */
async function all(options: TrainOptions) {
  const steps: TrainStep[] = [];
  const walk = trainSteps(options);
  for (;;) {
    const next = await walk.next();
    if (next.done) return { steps, result: next.value };
    steps.push(next.value);
  }
}

test('a loop over trainSteps takes the steps of train, bit by bit, and yields their results', async (t) => {
  const { folder, options } = await prepared(t, { steps: 7, saveEvery: 3, sampleEvery: 6 });
  const data = { ...options.config.data, heldOut: { fraction: 0.2 } };
  const config = { ...options.config, data };
  const expected = await train({ ...options, config });
  const out = join(folder, 'loop');
  const { steps, result } = await all({ ...options, config, out });
  t.deepEqual(state(out, 7), state(options.out, 7));
  const { checkpoint } = result;
  t.deepEqual({ ...result, checkpoint: null }, { ...expected, checkpoint: null });
  const losses = (await readMetrics(join(options.out, 'metrics.jsonl'))).flatMap((line) =>
    'loss' in line ? [line.loss] : [],
  );
  t.deepEqual(
    steps.map(({ loss }) => loss),
    losses,
  );
  t.deepEqual(
    steps.map(({ step }) => step),
    [1, 2, 3, 4, 5, 6, 7],
  );
  t.is(steps[2]!.checkpoint, join(out, 'checkpoints', 'step-3'));
  t.is(steps[5]!.samples, join(out, 'samples', 'step-6.png'));
  t.is(steps[6]!.checkpoint, checkpoint);
  t.is(steps[6]!.heldOutLoss, result.heldOutLoss!);
  t.is(steps[0]!.heldOutLoss, undefined);
  t.like(steps[4], { totalSteps: 7, epoch: 2 });
});

test('leaving the loop saves a checkpoint of that step, and a resume has the same bits', async (t) => {
  const { folder, options } = await prepared(t, { steps: 6 });
  await train(options);
  const out = join(folder, 'left');
  for await (const { step } of trainSteps({ ...options, out })) if (step === 3) break;
  t.deepEqual(await readdir(join(out, 'checkpoints')), ['latest', 'step-3']);
  const { steps } = await all({ ...options, out, resume: true });
  t.deepEqual(
    steps.map(({ step }) => step),
    [4, 5, 6],
  );
  t.deepEqual(state(out, 6), state(options.out, 6));
});

test('an error in the loop also saves a checkpoint, and is rethrown unchanged', async (t) => {
  const { options } = await prepared(t, { steps: 6 });
  const own = new Error('mine');
  const loop = async () => {
    for await (const { step } of trainSteps(options)) if (step === 2) throw own;
  };
  t.is(await t.throwsAsync(loop), own);
  t.is(readFileSync(join(options.out, 'checkpoints', 'latest'), 'utf8'), 'step-2\n');
});

test('no step begins before it is requested', async (t) => {
  const { options } = await prepared(t, { steps: 5 });
  const events: string[] = [];
  const walk = trainSteps({ ...options, onEvent: ({ kind }) => events.push(kind) });
  t.deepEqual(events, []);
  await walk.next();
  await new Promise((resolve) => setTimeout(resolve, 200));
  t.is(events.filter((kind) => kind === 'step').length, 1);
  await walk.return({ steps: 0, loss: null, heldOutLoss: null, checkpoint: '' });
  t.is(events.filter((kind) => kind === 'step').length, 1);
  t.is(events.at(-1), 'checkpoint');
});

test('between two steps the newest checkpoint can be drawn from', async (t) => {
  const { options } = await prepared(t, { steps: 4, saveEvery: 2 });
  const drawn: Float32Array[] = [];
  for await (const { checkpoint } of trainSteps(options)) {
    if (checkpoint === undefined) continue;
    const model = await load(checkpoint, { threads: 1 });
    drawn.push((await model.sample({ count: 1, sampler: 'ddim', steps: 2 })).images);
    await model.dispose();
  }
  t.is(drawn.length, 2);
  t.notDeepEqual(drawn[0], drawn[1]);
});

test('a signal throws Interrupted, and other errors are those of train', async (t) => {
  const { folder, options } = await prepared(t, { steps: 6 });
  const controller = new AbortController();
  const { signal } = controller;
  const loop = async () => {
    for await (const { step } of trainSteps({ ...options, signal }))
      if (step === 2) controller.abort();
  };
  await t.throwsAsync(loop, { instanceOf: Interrupted, message: /interrupted at step 2; saved/ });
  await t.throwsAsync(all(options), { instanceOf: UsageError, message: /holds a run/ });
  const training = { ...options.config.training, lr: 1e30 };
  const config = { ...options.config, training };
  await t.throwsAsync(all({ ...options, config, out: join(folder, 'other') }), {
    instanceOf: RunError,
    message: /^step \d+: /,
  });
});
