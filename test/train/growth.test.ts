import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { RunConfig } from '../../src/config/config.js';
import { stagesOf } from '../../src/config/growth.js';
import { completeModel } from '../../src/config/network-settings.js';
import { Interrupted, UsageError } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { trainSteps } from '../../src/train/steps.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { newRun, tinyRun, writeBars } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const model = completeModel({
  ...{ kind: 'unet2d', size: 16, widths: [8, 16], channels: 1, layers: 1 },
  ...{ groups: 4, headDim: 8 },
});

/** Three steps of 8x8, one of 12x12, two of 16x16. */
function growing(source: string, change: Partial<RunConfig['training']> = {}): RunConfig {
  const run = tinyRun(source, {
    ...{ batch: 4, steps: 6, grow: '8:0.5,12:0.67', ema: [0.9], optimizer: 'muon', muonLr: 0.02 },
    ...change,
  });
  return { ...run, model, data: { ...run.data, heldOut: { fraction: 0.2 } } };
}

const FILES = ['model', 'optimizer', 'ema-0.9'];
const read = ({ out }: TrainOptions, step: number) =>
  FILES.map((name) =>
    readFileSync(join(out, 'checkpoints', `step-${step}`, `${name}.safetensors`)),
  );

const log = async ({ out }: TrainOptions) =>
  (await readMetrics(join(out, 'metrics.jsonl'))).map((line) =>
    'loss' in line ? { ...line, ms: {}, imagesPerSecond: 0 } : line,
  );

test('a growing run starts with small images and continues its weights on larger ones', async (t) => {
  const folder = await temporaryFolder(t);
  const source = writeBars(folder);
  const options = newRun(growing(source), join(folder, 'growing'));
  const notes: string[] = [];
  const result = await train({
    ...options,
    onEvent: (event) => event.kind === 'note' && notes.push(event.text),
  });
  t.is(result.steps, 6);
  const shown = notes.filter((note) => /^(model|grow)/.test(note));
  t.deepEqual(
    shown.map((note) => /\d+x\d+/.exec(note)![0]),
    ['8x8', '12x12', '12x12', '16x16', '16x16'],
  );
  const small = growing(source, { steps: 3, grow: null });
  const alone = newRun({ ...small, model: { ...model, size: 8 } }, join(folder, 'small'));
  await train(alone);
  t.deepEqual(read(options, 3), read(alone, 3));
  const config = JSON.parse(readFileSync(join(options.out, 'config.json'), 'utf8')) as RunConfig;
  t.is(config.model.size, 16);
  t.is(config.training.grow, '8:0.5,12:0.67');
});

async function stopAt(options: TrainOptions, stop: (event: TrainEvent) => boolean) {
  const controller = new AbortController();
  const onEvent = (event: TrainEvent) => {
    if (stop(event)) controller.abort();
  };
  const error = await train({ ...options, signal: controller.signal, onEvent }).catch((e) => e);
  await train({ ...options, resume: true });
  return error as unknown;
}

test('a growing run stopped in any stage, or between two, and resumed has the same bits', async (t) => {
  const folder = await temporaryFolder(t);
  const config = growing(writeBars(folder));
  const whole = newRun(config, join(folder, 'whole'));
  await train(whole);
  const [expected, lines] = [read(whole, 6), await log(whole)];
  const stops: [name: string, at: number, stop: (event: TrainEvent) => boolean][] = [
    ...[1, 3, 4, 5].map((step): [string, number, (event: TrainEvent) => boolean] => [
      `step-${step}`,
      step,
      (event) => event.kind === 'step' && event.step === step,
    ]),
    ['between', 3, (event) => event.kind === 'note' && event.text.startsWith('grow')],
  ];
  for (const [name, step, stop] of stops) {
    const options = newRun(config, join(folder, name));
    const error = await stopAt(options, stop);
    t.true(error instanceof Interrupted, name);
    t.regex(
      (error as Error).message,
      new RegExp(`^interrupted at step ${step}; saved .*step-${step}\n`),
    );
    t.deepEqual(read(options, 6), expected, name);
    t.deepEqual(await log(options), lines, name);
  }
});

test('trainSteps of a growing run yields every step once, and can end at the end of a stage', async (t) => {
  const folder = await temporaryFolder(t);
  const config = growing(writeBars(folder));
  const steps: number[] = [];
  for await (const { step } of trainSteps(newRun(config, join(folder, 'all')))) steps.push(step);
  t.deepEqual(steps, [1, 2, 3, 4, 5, 6]);
  const left = newRun(config, join(folder, 'left'));
  for await (const { step } of trainSteps(left)) if (step === 3) break;
  t.deepEqual((await readdir(join(left.out, 'checkpoints'))).sort(), ['latest', 'step-3']);
});

tensorflowTest(
  'a growing run on TensorFlow matches one on wasm, and keeps its guide',
  async (t) => {
    const folder = await temporaryFolder(t);
    // Smooth, and one step of 8x8 before two of 16x16.
    const change = {
      steps: 3,
      batch: 2,
      grow: '8:0.34',
      optimizer: 'adam',
      keepGuide: 0.5,
    } as const;
    const config = growing(writeBars(folder), change);
    const diffusion = { ...config.diffusion, loss: 'l2' } as const;
    const on = async (device: 'wasm' | 'tensorflow') => {
      const computing = { ...config.computing, device, eager: device === 'tensorflow', threads: 1 };
      const options = newRun({ ...config, computing, diffusion }, join(folder, device));
      const notes: string[] = [];
      await train({
        ...options,
        onEvent: (event) => event.kind === 'note' && notes.push(event.text),
      });
      const shown = notes.flatMap((note) => /^(?:model|grow) .*?(\d+x\d+)/.exec(note)?.[1] ?? []);
      t.deepEqual(shown, ['8x8', '16x16', '16x16'], device);
      t.true((await readdir(options.out)).includes('guide.safetensors'));
      return (await log(options)).flatMap((line) => ('loss' in line ? [line.loss] : []));
    };
    const [expected, got] = [await on('wasm'), await on('tensorflow')];
    t.is(got.length, 3);
    // Adam's first steps are of the size of the rate, whatever rounding leaves of a small gradient.
    close(t, got, expected, { rtol: 1e-2 });
    close(t, got.slice(0, 1), expected.slice(0, 1), { rtol: 1e-5 });
  },
);

test('a stage without steps is skipped, and the last one has at least one step', async (t) => {
  const stages = (steps: number, grow: string) =>
    stagesOf(growing('bars', { steps, grow })).map(({ size, until }) => [size, until]);
  t.deepEqual(stages(6, '8:0.01,12:0.5'), [
    [12, 3],
    [16, Infinity],
  ]);
  t.deepEqual(stages(4, '8:0.5,12:0.6'), [
    [8, 2],
    [16, Infinity],
  ]);
  t.deepEqual(stages(2, '8:0.9'), [
    [8, 1],
    [16, Infinity],
  ]);
  t.deepEqual(stages(1, '8:0.9'), [[16, Infinity]]);
  const folder = await temporaryFolder(t);
  const config = growing(writeBars(folder), { steps: 2, grow: '8:0.01' });
  t.is((await train(newRun(config, join(folder, 'short')))).steps, 2);
});

test('a last stage that does not fit into memory is refused before the first is trained', async (t) => {
  const folder = await temporaryFolder(t);
  const config = growing(writeBars(folder), { batch: 4096 });
  const large = { ...config, model: { ...model, size: 256 } };
  const error = await t.throwsAsync(train(newRun(large, join(folder, 'run'))), {
    instanceOf: UsageError,
  });
  t.regex(error!.message, /memory/);
  t.deepEqual(await readdir(folder), ['bars.idx']);
});
