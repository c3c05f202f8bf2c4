import { copyFileSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import type { RunConfig } from '../../src/config/config.js';
import { newRunConfig } from '../../src/config/run-config.js';
import type { BatchImages } from '../../src/contracts/trainer.js';
import { openUnet } from '../../src/device/open.js';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { UsageError } from '../../src/errors.js';
import { readMetrics } from '../../src/io/metrics.js';
import { runPaths } from '../../src/io/run.js';
import type { StateDict } from '../../src/network/state.js';
import { openTrainer } from '../../src/train/open-trainer.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { planOf } from '../../src/train/plan.js';
import { Teacher } from '../../src/train/teacher.js';
import { distillationOf, readTeacherWeights } from '../../src/train/teacher-files.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { LATENT_SIZE, latentRun } from '../helpers/latent-run.js';
import { ownCache } from '../helpers/own-cache.js';
import { newRun, writeBars, writeLabelledBars } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

ownCache();

const V = { ...SMALL, channels: '1', objective: 'v' };

type Flags = Record<string, string | boolean>;

interface Given {
  /** Of the teacher. */
  readonly flags?: Flags;
  readonly extras?: Parameters<typeof freshRun>[2];
  /** Of the student. */
  readonly student?: Flags;
  /** What both train on. */
  readonly data?: (folder: string) => string;
  /** Makes another teacher than one of pictures. */
  readonly make?: () => Promise<string>;
}

/** A teacher, and its student of a few steps. */
async function student(
  t: ExecutionContext,
  { flags = {}, extras = {}, student: own = {}, data = writeBars, make }: Given = {},
): Promise<{ folder: string; teacher: string; options: TrainOptions }> {
  const folder = await temporaryFolder(t);
  const source = data(folder);
  const { schedule, ...straight } = V;
  const forward = flags.objective === 'flow' ? straight : { ...straight, schedule };
  const made = make ?? (() => freshRun(t, { ...forward, ...flags }, { ...extras, data: source }));
  const teacher = await made();
  const config = newRunConfig(
    source,
    new Args({
      ...{ teacher, 'teacher-steps': '6', 'student-steps': '2', threads: '2' },
      ...{ batch: '8', steps: '5', 'save-every': '0', 'sample-every': '0' },
      ...own,
    }),
  );
  return { folder, teacher, options: newRun(config, join(folder, 'run')) };
}

const computing = (
  options: TrainOptions,
  out: string,
  change: Partial<RunConfig['computing']>,
): TrainOptions => ({
  ...options,
  out,
  config: { ...options.config, computing: { ...options.config.computing, ...change } },
});

async function losses({ out }: Pick<TrainOptions, 'out'>): Promise<number[]> {
  const lines = await readMetrics(join(out, 'metrics.jsonl'));
  return lines.flatMap((line) => ('loss' in line ? [line.loss] : []));
}

const modelOf = (out: string, step: number): Buffer =>
  readFileSync(join(out, 'checkpoints', `step-${step}`, 'model.safetensors'));

/** Predictions of weights for a batch, in plain steps: the reference of `Teacher`. */
async function predictor(t: ExecutionContext, config: RunConfig, weights: StateDict) {
  const { unet } = await openUnet('wasm', config.computing, {
    ...{ architecture: config.model, size: config.model.size, batch: config.training.batch },
    ...{ timesteps: config.diffusion.timesteps, training: false },
  });
  t.teardown(() => unet.dispose());
  await unet.importState(weights);
  return async (xt: Float32Array, time: number, labels?: Int32Array) => {
    const times = new Float32Array(config.training.batch).fill(time);
    return (await unet.predict({ xt, t: times, ...(labels && { labels }) }, 'running')).slice();
  };
}

interface Guided extends Given {
  readonly name: string;
  readonly by: 'none' | 'weights' | 'classes';
}

const GUIDED: readonly Guided[] = [
  { name: 'v', by: 'none' },
  { name: 'v with a clamp', by: 'none', extras: { sampling: { sampler: 'ddim', clamp: 0.5 } } },
  { name: 'x0', by: 'none', flags: { objective: 'x0' } },
  { name: 'flow', by: 'none', flags: { objective: 'flow' } },
  { name: 'a guide', by: 'weights', extras: { guide: true } },
  {
    ...{ name: 'classes', by: 'classes', data: writeLabelledBars },
    extras: { classes: ['a', 'b', 'c'] },
    student: { classes: 'auto', 'teacher-guidance': '3' },
  },
];

for (const { name, by, ...given } of GUIDED)
  test(`${name}: targets lead where the teacher's steps lead`, async (t) => {
    const { options } = await student(t, given);
    const { config } = options;
    const { model, training, teacher } = config;
    const named = by === 'classes' ? classed(config) : config;
    t.is(teacher!.guidedBy, by === 'none' ? null : by);
    const schedule = makeSchedule(config.diffusion);
    const plan = distillationOf(config, schedule)!;
    const weights = (await readTeacherWeights(options))!;
    t.is(weights.guide !== null, by === 'weights');
    const opened = await Teacher.open('wasm', named, plan, weights);
    t.teardown(() => opened.dispose());

    const { batch } = training;
    const each = model.size ** 2 * model.channels;
    const xt = Float32Array.from({ length: batch * each }, (_, i) => Math.sin(0.7 * i));
    const steps = Array.from({ length: batch }, (_, i) => i % 2);
    const chosen = steps.map((step) => plan.positions[step]!);
    const positions =
      plan.positions instanceof Int32Array ? Int32Array.from(chosen) : Float32Array.from(chosen);
    const labels = by === 'classes' ? Int32Array.from(steps, (_, i) => i % 3) : undefined;
    const targets = await opened.targets(xt, positions, labels);

    const own = await predictor(t, named, weights.own);
    const other = weights.guide && (await predictor(t, named, weights.guide));
    const sampler = config.sampling!.sampler!;
    const { clamp = Number.POSITIVE_INFINITY } = teacher!;
    const whole = makeTrajectory(schedule, { sampler, steps: 6 });
    const few = makeTrajectory(schedule, { sampler, steps: 2 });
    for (const step of [0, 1]) {
      let x = Float64Array.from(xt);
      for (let i = 3 * step; i < 3 * step + 3; i++) {
        const time = whole.timesteps[i]!;
        const m = await own(Float32Array.from(x), time, labels);
        const away =
          by === 'classes'
            ? await own(Float32Array.from(x), time, new Int32Array(batch).fill(3))
            : other && (await other(Float32Array.from(x), time));
        const [a = 0, b = 0, , c = 0, d = 0, h = 0] = whole.coefficients.subarray(i * whole.width);
        x = x.map((value, k) => {
          const output = away ? away[k]! + teacher!.guidance * (m[k]! - away[k]!) : m[k]!;
          const x0 = Math.min(clamp, Math.max(-clamp, a * value + b * output));
          return c * value + d * x0 + h * output;
        });
      }
      const [a = 0, b = 0, , c = 0, d = 0, h = 0] = few.coefficients.subarray(step * few.width);
      let worst = 0;
      for (const [k, end] of x.entries()) {
        if (steps[Math.floor(k / each)] !== step) continue;
        const target = targets[k]!;
        const reached = c * xt[k]! + d * (a * xt[k]! + b * target) + h * target;
        worst = Math.max(worst, Math.abs(reached - end));
      }
      t.true(worst < 2e-4, `step ${step}: ${worst}`);
    }
  });

/** With the names of its classes, as a run has them. */
const classed = (config: RunConfig): RunConfig => ({
  ...config,
  data: { ...config.data, classes: { by: 'labels', names: ['a', 'b', 'c'] } },
});

test('a student draws in its own steps without a guide, and has a copy of its teacher', async (t) => {
  const { options, teacher } = await student(t, { extras: { guide: true } });
  const { sampling, training, teacher: taught } = options.config;
  t.deepEqual(sampling, { sampler: 'ddim', steps: 2 });
  t.deepEqual(taught, { source: teacher, steps: 6, guidance: 1.5, guidedBy: 'weights' });
  t.is(training.init, null);
  await train(options);
  const paths = runPaths(options.out);
  t.false(existsSync(paths.guide));
  t.true(existsSync(paths.teacher) && existsSync(paths.teacherGuide));
  // Without its teacher, which a resume does not need.
  rmSync(teacher, { recursive: true });
  const longer = { ...options.config, training: { ...training, steps: 6 } };
  t.is((await train({ ...options, config: longer, resume: true })).steps, 6);
});

test('the first loss is that of the teacher against itself, and learning lowers it', async (t) => {
  const { options } = await student(t, {
    student: { steps: '60', lr: '0.003', optimizer: 'adam', clip: 'none', warmup: '0' },
  });
  const { config } = options;
  await train(options);
  const all = await losses(options);
  t.is(all.length, 60);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
  t.true(mean(all.slice(-10)) < 0.8 * mean(all.slice(0, 10)), `${all}`);

  const plan = planOf(config, { count: 40, classes: null });
  const positions = new Set(distillationOf(config, makeSchedule(config.diffusion))!.positions);
  t.is(positions.size, 2);
  for (let step = 0; step < 5; step++)
    for (const at of plan.batch(step).t) t.true(positions.has(at));
});

test('any number of threads, and a resume, give the same bits', async (t) => {
  const { folder, options } = await student(t, {
    extras: { guide: true },
    student: { 'held-out': '0.2', 'save-every': '2', ema: '0.9' },
  });
  const out = (name: string) => join(folder, name);
  await train(computing(options, out('one'), { threads: 1 }));
  const expected = modelOf(out('one'), 5);
  await train(computing(options, out('three'), { threads: 3 }));
  t.true(expected.equals(modelOf(out('three'), 5)));
  t.deepEqual(await losses({ out: out('three') }), await losses({ out: out('one') }));

  const begun = computing(options, out('cut'), {});
  const controller = new AbortController();
  const stop = (event: TrainEvent) => {
    if (event.kind === 'step' && event.step === 3) controller.abort();
  };
  await t.throwsAsync(train({ ...begun, signal: controller.signal, onEvent: stop }));
  await train({ ...begun, resume: true });
  t.true(expected.equals(modelOf(out('cut'), 5)));
});

test('a resume without its copy of the teacher says so', async (t) => {
  const { options } = await student(t);
  await train(options);
  const { teacher } = runPaths(options.out);
  rmSync(teacher);
  const { config } = options;
  const longer = { ...config, training: { ...config.training, steps: 6 } };
  const error = await t.throwsAsync(train({ ...options, config: longer, resume: true }), {
    instanceOf: UsageError,
  });
  t.is(
    error?.message,
    `${teacher}: expected the weights of the run's teacher, which a resume needs, got no file`,
  );
});

test('a resume refuses other weights in place of its teacher', async (t) => {
  const { options } = await student(t, { extras: { guide: true } });
  await train(options);
  const { teacher, teacherGuide } = runPaths(options.out);
  copyFileSync(teacher, teacherGuide);
  const { config } = options;
  const longer = { ...config, training: { ...config.training, steps: 6 } };
  const error = await t.throwsAsync(train({ ...options, config: longer, resume: true }), {
    instanceOf: UsageError,
  });
  t.is(
    error?.message,
    `${teacher}: expected the teacher that the run was trained by, with its guide, got other weights`,
  );
});

test('a student can be the teacher of the next', async (t) => {
  const { folder, options } = await student(t, { student: { 'student-steps': '2' } });
  await train(options);
  const { source } = options.config.data;
  const flags = { 'teacher-steps': '2', 'student-steps': '1', batch: '8', steps: '3' };
  const config = newRunConfig(source, new Args({ teacher: options.out, ...flags, threads: '2' }));
  t.deepEqual(config.sampling, { sampler: 'ddim', steps: 1 });
  const next = newRun(config, join(folder, 'next'));
  t.is((await train(next)).steps, 3);
});

test('a student of classes learns what guidance by them gives', async (t) => {
  const { options } = await student(t, {
    ...{ data: writeLabelledBars, extras: { classes: ['a', 'b', 'c'] } },
    student: { classes: 'auto', 'teacher-guidance': '3' },
  });
  t.is(options.config.teacher!.guidedBy, 'classes');
  const { steps } = await train(options);
  t.is(steps, 5);
});

test('a student on latents learns from a teacher on latents', async (t) => {
  const { options } = await student(t, {
    make: () => latentRun(t, 'tiny_16', { schedule: 'cosine', objective: 'v' }),
  });
  const { data, model } = options.config;
  t.is(data.autoencoder, runPaths(options.config.teacher!.source).vae);
  t.is(model.size, LATENT_SIZE);
  t.is((await train(options)).steps, 5);
});

tensorflowTest('TensorFlow learns the same', async (t) => {
  const { folder, options } = await student(t, { extras: { guide: true } });
  await train(options);
  const other = computing(options, join(folder, 'other'), { device: 'tensorflow' });
  await train(other);
  const [own, others] = [await losses(options), await losses(other)];
  for (const [i, loss] of own.entries())
    t.true(Math.abs(others[i]! / loss - 1) < 1e-3, `${own}; ${others}`);
});

test('steps are timed with the teacher', async (t) => {
  const { options } = await student(t);
  const { config } = options;
  const measured = { ...config, training: { ...config.training, steps: 1 } };
  const texts: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'note') texts.push(event.text);
  };
  await train({ ...options, config: measured, minutes: 0.001, onEvent });
  t.true(texts.some((text) => /^length {2}\d+ steps?, about 0\.001 min/.test(text)));
});

test('accumulated batches learn from the teacher too', async (t) => {
  const { options } = await student(t, { student: { batch: '4', accumulate: '2' } });
  const { config } = options;
  const weights = await readTeacherWeights(options);
  const schedule = makeSchedule(config.diffusion);
  const { trainer } = await openTrainer(config, schedule, false, { teacher: weights });
  t.teardown(() => trainer.dispose());
  await trainer.unet.importState(weights!.own);
  const {
    epoch: _,
    indices: __,
    flips,
    ...batch
  } = planOf(config, {
    count: 40,
    classes: null,
  }).batch(0);
  const images: BatchImages = { pixels: new Uint8Array(8 * 256).fill(90), flips };
  const { losses: each } = await trainer.step({ ...batch, ...images, lr: 0 });
  const whole = { ...config, training: { ...config.training, batch: 8, accumulate: 1 } };
  const { trainer: other } = await openTrainer(whole, schedule, false, { teacher: weights });
  t.teardown(() => other.dispose());
  await other.unet.importState(weights!.own);
  const { losses: expected } = await other.step({ ...batch, ...images, lr: 0 });
  t.is(each.length, 8);
  for (const [i, loss] of expected.entries())
    t.true(Math.abs(each[i]! - loss) <= 1e-6 * loss, `${each}; ${expected}`);
});
