import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { JsonObject } from '../../src/config/json.js';
import { openModel } from '../../src/config/open-model.js';
import { UsageError } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { TrainEvent } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { prepared } from '../helpers/run.js';
import { sameState } from '../helpers/unet.js';

const FILES = ['model', 'optimizer', 'ema-0.5', 'ema-0.9'];
const read = (run: string, step: number) =>
  FILES.map((name) =>
    readFileSync(join(run, 'checkpoints', `step-${step}`, `${name}.safetensors`)),
  );

test('a run with averages and a decaying rate resumes with the same bits, and logs its rates', async (t) => {
  const change = { steps: 8, ema: [0.5, 0.9], warmup: 3, decay: 'cosine' } as const;
  const { folder, options } = await prepared(t, change);
  await train(options);
  const out = join(folder, 'stopped');
  const controller = new AbortController();
  const stop = (event: TrainEvent) => {
    if (event.kind === 'step' && event.step === 5) controller.abort();
  };
  const { signal } = controller;
  await t.throwsAsync(train({ ...options, out, signal, onEvent: stop }), { message: /step 5/ });
  await train({ ...options, out, resume: true });
  t.deepEqual(read(out, 8), read(options.out, 8));
  const rates = (await readMetrics(join(out, 'metrics.jsonl'))).flatMap((m) =>
    'lr' in m ? [m.lr] : [],
  );
  const expected = Array.from(
    { length: 8 },
    (_, i) => (1e-3 * Math.min(1, (i + 1) / 3) * (1 + Math.cos((Math.PI * i) / 8))) / 2,
  );
  t.deepEqual(
    rates.map((rate) => rate.toPrecision(12)),
    expected.map((rate) => rate.toPrecision(12)),
  );
});

test('held-out loss uses the first average and does not change the weights', async (t) => {
  const change = { steps: 5, ema: [0], lr: 5e-3 };
  const { folder, options } = await prepared(t, change);
  const data = { ...options.config.data, heldOut: { fraction: 0.2 } };
  const losses = [];
  // An average of decay 0 are the weights themselves; one of 0.999 lags behind.
  for (const ema of [[], [0], [0.999]]) {
    const out = join(folder, `ema-${ema}`);
    const training = { ...options.config.training, ema };
    const { heldOutLoss } = await train({
      ...options,
      out,
      config: { ...options.config, data, training },
    });
    losses.push(heldOutLoss);
    const { tensors } = await readSafetensors(
      join(out, 'checkpoints', 'step-5', 'model.safetensors'),
    );
    const plain = join(folder, 'ema-', 'checkpoints', 'step-5', 'model.safetensors');
    sameState(t, tensors, (await readSafetensors(plain)).tensors);
  }
  t.is(losses[1], losses[0]);
  t.not(losses[2], losses[0]);
});

test("a model is opened with the run's first average, or with the choice of --weights", async (t) => {
  const { options } = await prepared(t, { steps: 2, ema: [0.9, 0.99] });
  const { checkpoint } = await train(options);
  const open = async (path: string, weights?: string) => {
    const source = new JsonObject('sample', { ...(weights && { weights }) }, 'all');
    const { weights: file, notes } = await openModel(path, source);
    return [file, ...notes];
  };
  const file = (name: string) => join(checkpoint, `${name}.safetensors`);
  const note = (decay: number) => `weights: the average (EMA) of decay ${decay}`;
  t.deepEqual(await open(options.out), [file('ema-0.9'), note(0.9)]);
  t.deepEqual(await open(checkpoint, 'ema'), [file('ema-0.9'), note(0.9)]);
  t.deepEqual(await open(options.out, 'ema:0.99'), [file('ema-0.99'), note(0.99)]);
  t.deepEqual(await open(options.out, 'raw'), [file('model'), 'weights: as they were trained']);
  const faults = [
    [options.out, 'ema:0.5', /^sample\.weights: .*run has averages of decay 0\.9,0\.99, got ema:0/],
    [options.out, 'best', /^sample\.weights: expected raw, ema or ema:DECAY, got best$/],
    [file('model'), 'ema', /^sample\.weights: .* does not belong to a run, got ema$/],
  ] as const;
  for (const [path, weights, message] of faults)
    await t.throwsAsync(open(path, weights), { instanceOf: UsageError, message });
});

test('a run without averages is opened with its raw weights, and has no others', async (t) => {
  const { options } = await prepared(t, { steps: 1 });
  await train(options);
  const source = (settings: object) => new JsonObject('sample', settings, 'all');
  t.deepEqual((await openModel(options.out, source({}))).notes, []);
  await t.throwsAsync(openModel(options.out, source({ weights: 'ema' })), {
    instanceOf: UsageError,
    message: /has averages of decay none, got ema$/,
  });
});
