import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import type { RunConfig } from '../../src/config/config.js';
import { completeModel } from '../../src/config/network-settings.js';
import type { Objective } from '../../src/diffusion/objective.js';
import { Interrupted } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import { runPaths } from '../../src/io/run.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { newRun, tinyRun, writeLabelledBars } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

/** A unet2d with dropout that is told classes, and every option of training on. */
function everything(source: string, change: Partial<RunConfig['training']> = {}): RunConfig {
  const run = tinyRun(source, {
    ...{ batch: 2, accumulate: 3, steps: 5, lr: 2e-3, warmup: 3, decay: 'cosine', clip: 0.5 },
    ...{ optimizer: 'muon', muonLr: 0.02, weightDecay: 0.01, betas: [0.9, 0.99] },
    ...{ ema: [0.9, 0.99], snrGamma: 5, timeSampling: 'logit-normal', zeroInit: true },
    labelDropout: 0.3,
    ...change,
  });
  const model = completeModel({
    ...{ kind: 'unet2d', size: 16, widths: [8, 16], channels: 1, layers: 1, dropout: 0.2 },
    ...{ groups: 4, headDim: 8 },
  });
  const heldOut = { fraction: 0.2 };
  return {
    ...run,
    model,
    data: { ...run.data, heldOut, classes: { by: 'auto', names: [] } },
    diffusion: { ...run.diffusion, objective: 'v', loss: 'l2' },
  };
}

/** Two steps of smaller images, and a guide of the weights half way. */
const GROWING = { grow: '8:0.4', keepGuide: 0.5 };

const FILES = ['model', 'optimizer', 'ema-0.9', 'ema-0.99'];
const read = ({ out }: TrainOptions, step: number) =>
  FILES.map((name) =>
    readFileSync(join(out, 'checkpoints', `step-${step}`, `${name}.safetensors`)),
  );

const readGuide = ({ out }: TrainOptions) => readFileSync(runPaths(out).guide);

const log = async ({ out }: TrainOptions) =>
  (await readMetrics(join(out, 'metrics.jsonl'))).map((line) =>
    'loss' in line ? { ...line, ms: {}, imagesPerSecond: 0 } : line,
  );

async function stopAt(options: TrainOptions, step: number): Promise<void> {
  const controller = new AbortController();
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'step' && event.step === step) controller.abort();
  };
  try {
    await train({ ...options, signal: controller.signal, onEvent });
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
  }
  await train({ ...options, resume: true });
}

test('a run with every feature, stopped at any step and resumed with any threads, has the same bits', async (t) => {
  const folder = await temporaryFolder(t);
  const config = everything(writeLabelledBars(folder), GROWING);
  const whole = newRun(config, join(folder, 'whole'));
  await train(whole);
  const [expected, lines] = [read(whole, 5), await log(whole)];
  for (const [step, threads] of [
    [1, 3],
    [2, 1],
    [4, 2],
  ] as const) {
    const computing = { ...config.computing, threads };
    const options = newRun({ ...config, computing }, join(folder, `stopped-${step}`));
    await stopAt(options, step);
    t.deepEqual(read(options, 5), expected, `stopped at ${step}, ${threads} threads`);
    t.deepEqual(readGuide(options), readGuide(whole));
    t.deepEqual(await log(options), lines);
  }
});

tensorflowTest(
  'a run with every feature on TensorFlow, stopped half way and resumed, has the same result',
  async (t) => {
    const folder = await temporaryFolder(t);
    const config = everything(writeLabelledBars(folder), { steps: 3 });
    const computing = { ...config.computing, device: 'tensorflow' } as const;
    const options = ['whole', 'stopped'].map((name) =>
      newRun({ ...config, computing }, join(folder, name)),
    ) as [TrainOptions, TrainOptions];
    await train(options[0]);
    await stopAt(options[1], 2);
    t.deepEqual(read(options[1], 3), read(options[0], 3));
  },
);

/** The state after some steps. */
async function trained(t: ExecutionContext, options: TrainOptions) {
  await train(options);
  const file = join(options.out, 'checkpoints', `step-${options.config.training.steps}`);
  const { tensors } = await readSafetensors(join(file, 'model.safetensors'));
  t.true(tensors.size > 20);
  return tensors;
}

test('four accumulated batches of four equal a step of one batch of sixteen, within rounding', async (t) => {
  const folder = await temporaryFolder(t);
  const source = writeLabelledBars(folder);
  const runs = await Promise.all(
    [
      [4, 4],
      [16, 1],
    ].map(async ([batch, accumulate]) => {
      const config = everything(source, { batch: batch!, accumulate: accumulate!, steps: 3 });
      const options = newRun(config, join(folder, `batch-${batch}`));
      return { state: await trained(t, options), lines: await log(options) };
    }),
  );
  const losses = runs.map(({ lines }) => lines.flatMap((m) => ('loss' in m ? [m.loss] : [])));
  close(t, losses[0]!, losses[1]!, { rtol: 1e-4, what: 'losses' });
  const [parts, whole] = runs.map(({ state }) => state);
  for (const [name, { data }] of whole!) {
    const got = parts!.get(name)!.data as Float32Array;
    const distance =
      got.reduce((sum, v, i) => sum + Math.abs(v - Number(data[i]!)), 0) / got.length;
    // Three steps move a weight by 2e-3 and more; Adam and Muon make much of what rounding leaves of small gradients.
    t.true(distance < 1e-4, `${name} is off by ${distance} on average`);
  }
});

test('the logged quarters are means over parts of a batch, so its loss lies between them', async (t) => {
  const folder = await temporaryFolder(t);
  const options = newRun(everything(writeLabelledBars(folder)), join(folder, 'run'));
  await train(options);
  const steps = (await log(options)).flatMap((line) => ('loss' in line ? [line] : []));
  t.true(steps.length > 1);
  for (const line of steps) {
    const quarters = [line.q0, line.q1, line.q2, line.q3].filter((q) => q !== undefined);
    t.true(quarters.length > 0);
    t.true(Math.min(...quarters) <= line.loss && line.loss <= Math.max(...quarters));
  }
});

for (const objective of ['epsilon', 'x0', 'v', 'flow'] as Objective[])
  test(`training to predict ${objective} lowers the loss, and samples are drawn`, async (t) => {
    const folder = await temporaryFolder(t);
    const change = {
      snrGamma: null,
      steps: 60,
      batch: 8,
      accumulate: 1,
      sampleEvery: 60,
      zeroInit: false,
    };
    const config = everything(writeLabelledBars(folder), change);
    const diffusion = { ...config.diffusion, objective };
    const events: string[] = [];
    const options = newRun({ ...config, diffusion }, join(folder, 'run'));
    await train({ ...options, onEvent: ({ kind }) => void events.push(kind) });
    t.true(events.includes('samples'));
    const losses = (await log(options)).flatMap((m) => ('loss' in m ? [m.loss] : []));
    const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
    t.true(mean(losses.slice(-10)) < 0.8 * mean(losses.slice(0, 10)), losses.join());
  });
