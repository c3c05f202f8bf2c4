import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import type { RunConfig } from '../../src/config/config.js';
import { LatentStore } from '../../src/data/latent-store.js';
import { encodeDataset } from '../../src/data/latents.js';
import { openAutoencoder } from '../../src/device/open-autoencoder.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Interrupted, ShapeError, UsageError } from '../../src/errors.js';
import { findAutoencoder } from '../../src/io/autoencoder.js';
import { readMetrics } from '../../src/io/metrics.js';
import { readSafetensors, writeSafetensors } from '../../src/io/safetensors.js';
import type { F32Tensor } from '../../src/network/state.js';
import { learningRate } from '../../src/train/learning-rate.js';
import { openTrainer } from '../../src/train/open-trainer.js';
import type { TrainEvent, TrainOptions } from '../../src/train/options.js';
import { planOf } from '../../src/train/plan.js';
import { freshState } from '../../src/train/start.js';
import { train } from '../../src/train/train.js';
import { autoencoderFolder, readAutoencoderFixture } from '../helpers/autoencoder-fixture.js';
import { opened } from '../helpers/data.js';
import { temporaryFolder } from '../helpers/folder.js';
import { close } from '../helpers/kernels.js';
import { ownCache } from '../helpers/own-cache.js';
import { newRun, tinyRun, writeBars } from '../helpers/run.js';
import { tensorflowTest } from '../helpers/tensorflow.js';

const NAME = 'tiny_16';
/** The side of the latents; pictures have four times as much. */
const SIZE = 8;

/** Of all tests: those that look at what is encoded have pictures of their own. */
const cache = ownCache();

type Change = Partial<RunConfig['training']>;

/** A run on latents of bars, and a folder for it. */
async function onLatents(
  t: ExecutionContext,
  change: Change = {},
  { count = 40, ...data }: Partial<RunConfig['data']> & { count?: number } = {},
): Promise<{ folder: string; options: TrainOptions }> {
  const folder = await temporaryFolder(t);
  const base = tinyRun(writeBars(folder, count), change);
  const { latentChannels: channels } = (await readAutoencoderFixture(NAME)).config;
  const config: RunConfig = {
    ...base,
    data: { ...base.data, autoencoder: await autoencoderFolder(t, NAME), ...data },
    model: { ...base.model, size: SIZE, channels },
    diffusion: { ...base.diffusion, loss: 'l2' },
  };
  return { folder, options: newRun(config, join(folder, 'run')) };
}

/** With other computing or training. */
const having = (
  options: TrainOptions,
  out: string,
  computing: Partial<RunConfig['computing']>,
  training: Change = {},
): TrainOptions => ({
  ...options,
  out,
  config: {
    ...options.config,
    computing: { ...options.config.computing, ...computing },
    training: { ...options.config.training, ...training },
  },
});

async function losses({ out }: TrainOptions): Promise<number[]> {
  const lines = await readMetrics(join(out, 'metrics.jsonl'));
  return lines.flatMap((line) => ('loss' in line ? [line.loss] : []));
}

const modelOf = ({ out }: TrainOptions, step: number): Buffer =>
  readFileSync(join(out, 'checkpoints', `step-${step}`, 'model.safetensors'));

/** Trains; which kinds of events there were, and the texts. */
async function followed(options: TrainOptions) {
  const events: TrainEvent[] = [];
  const result = await train({ ...options, onEvent: (event) => events.push(event) });
  const texts = events.flatMap((event) => ('text' in event ? [event.text] : []));
  return { result, events, texts, encoded: events.filter(({ kind }) => kind === 'encoding') };
}

test('pictures that are too few for a step are refused before any is encoded', async (t) => {
  const { options } = await onLatents(t, { batch: 64 });
  const events: TrainEvent[] = [];
  await t.throwsAsync(train({ ...options, onEvent: (event) => events.push(event) }), {
    instanceOf: UsageError,
    message: /^--batch: expected at most 40, the number of images in the data, got 64/,
  });
  t.false(events.some(({ kind }) => kind === 'encoding'));
  t.false(existsSync(options.out));
});

test('a run on latents equals steps on the latents of its pictures, the mirrored ones for flips', async (t) => {
  const { folder, options } = await onLatents(t, {}, { count: 46 });
  const { config } = options;
  const { texts, encoded } = await followed(options);
  t.deepEqual(encoded.at(-1), { kind: 'encoding', done: 46, total: 46 });
  const { channels } = config.model;
  t.true(
    texts.some((text) =>
      text.startsWith(`latents 8x8x${channels} of pictures of 32x32x3, by AutoencoderTiny on wasm`),
    ),
    texts.join('\n'),
  );

  const pictures = await opened(t, config.data.source, { size: 32, channels: 3 });
  const files = findAutoencoder(config.data.autoencoder!);
  const computing = { ...COMPUTING_DEFAULTS, threads: 1 };
  const autoencoder = await openAutoencoder(files, SIZE, { computing, requireCuda: false });
  t.teardown(() => autoencoder.dispose());
  const latents = await encodeDataset(pictures, autoencoder, {
    ...{ mirrored: true, identity: 'test' },
    store: await LatentStore.open((text) => t.fail(text), join(folder, 'own')),
  });
  t.teardown(() => latents.close());
  const { trainer } = await openTrainer(config, makeSchedule(config.diffusion), false);
  t.teardown(() => trainer.dispose());
  await trainer.unet.importState(freshState(config));
  const plan = planOf(config, latents);
  const expected: number[] = [];
  for (let step = 0; step < 7; step++) {
    const { indices, flips, epoch: _, ...batch } = plan.batch(step);
    t.true(flips.includes(1) && flips.includes(0));
    const lr = learningRate(config.training, step, 7);
    const images = await latents.batch(indices, flips);
    expected.push((await trainer.step({ ...batch, ...images, lr })).loss);
  }
  t.deepEqual(await losses(options), expected);
  const pixels = { pixels: new Uint8Array(8 * SIZE ** 2 * channels), step: 7, lr: 0 };
  await t.throwsAsync(trainer.step({ ...pixels, t: new Int32Array(8) }), {
    instanceOf: ShapeError,
    message: 'batch: expected latents, got pixels',
  });
});

test('any number of threads, and a resume, give the same bits; the second run encodes nothing', async (t) => {
  const { folder, options } = await onLatents(t, { ema: [0.9] }, { count: 42 });
  const first = await followed(having(options, join(folder, 'run-1'), { threads: 1 }));
  t.true(first.encoded.length > 0);
  const expected = modelOf(having(options, join(folder, 'run-1'), {}), 7);
  for (const threads of [2, 3]) {
    const run = having(options, join(folder, `run-${threads}`), { threads });
    t.is((await followed(run)).encoded.length, 0);
    t.deepEqual(modelOf(run, 7), expected, `${threads} threads`);
  }
  const begun = having(options, join(folder, 'resumed'), {}, { steps: 3 });
  await train(begun);
  // The run has a copy of its autoencoder.
  await rm(options.config.data.autoencoder!, { recursive: true });
  const resumed = { ...having(options, begun.out, {}), resume: true };
  t.is((await followed(resumed)).encoded.length, 0);
  t.deepEqual(modelOf(resumed, 7), expected);
});

test('parts of a step and replicas take their own latents, with the same bits', async (t) => {
  const { folder, options } = await onLatents(t, { batch: 4, accumulate: 2 });
  for (const threads of [1, 3])
    await train(having(options, join(folder, `parts-${threads}`), { threads }));
  const out = (name: string) => ({ ...options, out: join(folder, name) });
  t.deepEqual(modelOf(out('parts-1'), 7), modelOf(out('parts-3'), 7));
  const rounds = { accumulate: 1, replicas: 2, syncEvery: 2 };
  for (const threads of [1, 2])
    await train(having(options, join(folder, `rounds-${threads}`), { threads }, rounds));
  t.deepEqual(modelOf(out('rounds-1'), 7), modelOf(out('rounds-2'), 7));
});

test('held-out pictures are encoded as they are, and their loss is measured', async (t) => {
  const { options } = await onLatents(t, {}, { heldOut: { fraction: 0.25 }, count: 44 });
  const { result, encoded } = await followed(options);
  t.deepEqual(
    encoded.filter(({ kind, ...of }) => 'done' in of && of.done === of.total),
    [33, 11].map((total) => ({ kind: 'encoding', done: total, total })),
  );
  t.true(result.heldOutLoss! > 0);
  const again = await followed({ ...options, out: `${options.out}-2` });
  t.is(again.encoded.length, 0);
  t.is(again.result.heldOutLoss, result.heldOutLoss);
});

test('a run keeps its autoencoder, also that of a variant, and grows with it', async (t) => {
  const { folder, options } = await onLatents(t, { grow: '4:0.5', steps: 6 }, { count: 41 });
  const { autoencoder } = options.config.data;
  const usual = join(autoencoder!, 'diffusion_pytorch_model.safetensors');
  await rename(usual, join(autoencoder!, 'diffusion_pytorch_model.fp16.safetensors'));
  const { encoded, texts } = await followed(options);
  t.is(encoded.length, 2 * 41);
  t.true(texts.some((text) => /^latents 4x4x\d+ of pictures of 16x16x3/.test(text)));
  const vae = join(options.out, 'vae');
  t.deepEqual((await readdir(vae)).sort(), ['config.json', 'diffusion_pytorch_model.safetensors']);
  const { state } = await readAutoencoderFixture(NAME);
  const kept = await readSafetensors(join(vae, 'diffusion_pytorch_model.safetensors'));
  t.deepEqual(kept.tensors, new Map(state));
  t.true(existsSync(join(folder, 'run', 'checkpoints', 'step-6')));
});

test('an autoencoder that cannot be used leaves nothing behind', async (t) => {
  const { options } = await onLatents(t);
  const { autoencoder, ...data } = options.config.data;
  const refused = async (change: Partial<RunConfig>, message: RegExp) => {
    const config = { ...options.config, ...change };
    await t.throwsAsync(train({ ...options, config }), { instanceOf: UsageError, message });
    t.false(existsSync(options.out));
  };
  await refused({ data: { ...data, autoencoder: '/nowhere' } }, /^\/nowhere: expected the folder/);
  await refused(
    { model: { ...options.config.model, channels: 7 } },
    /: expected latents of 7 channels, as this run's network has, got \d+$/,
  );
  const weights = join(autoencoder!, 'diffusion_pytorch_model.safetensors');
  const { tensors } = await readSafetensors(weights);
  const without = (half: string) =>
    new Map([...tensors].filter(([name]) => !name.startsWith(half)));
  for (const half of ['decoder', 'encoder']) {
    await writeSafetensors(weights, without(half));
    await refused({}, new RegExp(`: ${half}\\..*: expected a tensor with this name, got none$`));
  }
});

test('a run whose autoencoder is gone says so', async (t) => {
  const { options } = await onLatents(t, { steps: 2 });
  await train(options);
  await rm(join(options.out, 'vae'), { recursive: true });
  await t.throwsAsync(train({ ...options, resume: true }), {
    instanceOf: UsageError,
    message: /run\/vae: expected the folder of an AutoencoderKL or AutoencoderTiny/,
  });
});

test('a resume refuses another autoencoder in place of its own, and nothing is lost', async (t) => {
  const { options } = await onLatents(t, { steps: 2 });
  await train(options);
  const before = modelOf(options, 2);
  const vae = join(options.out, 'vae');
  const weights = join(vae, 'diffusion_pytorch_model.safetensors');
  const { tensors } = await readSafetensors(weights);
  const name = [...tensors.keys()].find((name) => name.startsWith('encoder.'))!;
  const tensor = tensors.get(name) as F32Tensor;
  const other = { ...tensor, data: tensor.data.map((v) => 2 * v) };
  await writeSafetensors(weights, new Map([...tensors, [name, other]]));
  const resumed = having(options, options.out, {}, { steps: 4 });
  await t.throwsAsync(train({ ...resumed, resume: true }), {
    instanceOf: UsageError,
    message: `${vae}: expected the autoencoder whose latents the run was trained on, got another`,
  });
  t.deepEqual(modelOf(options, 2), before);
  await writeSafetensors(weights, tensors);
  await train({ ...resumed, resume: true });
});

test('an autoencoder that is deleted with its run is copied again, if it is still where it was', async (t) => {
  for (const [name, isThere] of [
    ['there', true],
    ['gone', false],
  ] as const) {
    const { folder, options } = await onLatents(t, { saveEvery: 2, steps: 4 });
    const run = { ...options, out: join(folder, name) };
    const warnings: string[] = [];
    const onEvent = (event: TrainEvent) => {
      if (event.kind === 'warning') warnings.push(event.text);
      if (event.kind !== 'step' || event.step !== 3) return;
      rmSync(run.out, { recursive: true });
      if (!isThere) rmSync(run.config.data.autoencoder!, { recursive: true });
    };
    await train({ ...run, onEvent });
    t.is(existsSync(join(run.out, 'vae', 'config.json')), isThere);
    t.is(
      warnings.some((text) => /vae: was deleted while the run trained, and needs/.test(text)),
      !isThere,
      warnings.join('\n'),
    );
  }
});

test('what a killed process left of a copy is removed', async (t) => {
  const { options } = await onLatents(t, { steps: 1 });
  await mkdir(join(options.out, '.vae.0123abcd.tmp'), { recursive: true });
  await writeFile(join(options.out, '.vae.0123abcd.tmp', 'config.json'), '');
  await train(options);
  const left = await readdir(options.out);
  t.deepEqual(
    left.filter((name) => name.startsWith('.vae')),
    [],
  );
});

test('an interruption while pictures are encoded leaves no run, and another call goes on from there', async (t) => {
  const { options } = await onLatents(t, {}, { count: 43 });
  const controller = new AbortController();
  let last = 0;
  const notes: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'note') notes.push(event.text);
    if (event.kind !== 'encoding') return;
    last = event.done;
    if (last === 18) controller.abort();
  };
  await t.throwsAsync(train({ ...options, signal: controller.signal, onEvent }), {
    instanceOf: Interrupted,
    message: 'interrupted before the first step; no run was written',
  });
  t.is(last, 18);
  t.is(notes.at(-1), 'the latents that were encoded are kept; the same command goes on from there');
  t.false(existsSync(options.out));
  const { encoded } = await followed(options);
  t.is(encoded.length, 43 - 16);
  t.deepEqual(encoded.at(-1), { kind: 'encoding', done: 43, total: 43 });
});

test.serial('what cannot be kept is warned about once, and trained on all the same', async (t) => {
  const { options } = await onLatents(t, { steps: 1 }, { heldOut: { fraction: 0.5 }, count: 45 });
  const file = join(await temporaryFolder(t), 'file');
  await writeFile(file, '');
  process.env.HAZE_CACHE = file;
  t.teardown(() => {
    process.env.HAZE_CACHE = cache;
  });
  const { texts, encoded } = await followed(options);
  t.is(texts.filter((text) => /latents are not kept for other runs/.test(text)).length, 1);
  t.is(encoded.length, 45);
});

tensorflowTest('TensorFlow learns the same from latents, with either arithmetic', async (t) => {
  const { folder, options } = await onLatents(t, {}, { heldOut: { fraction: 0.25 }, count: 48 });
  const whole = having(options, join(folder, 'wasm'), {});
  const { result } = await followed(whole);
  const expected = await losses(whole);
  for (const arithmetic of ['wasm', 'tensorflow'] as const) {
    const run = having(options, join(folder, `with-${arithmetic}`), {
      device: 'tensorflow',
      arithmetic,
    });
    const { result: got, texts } = await followed(run);
    t.true(
      texts.some((text) => /by AutoencoderTiny on tensorflow/.test(text)),
      texts.join('\n'),
    );
    close(t, await losses(run), expected, { rtol: 1e-3, what: 'losses' });
    close(t, [got.heldOutLoss!], [result.heldOutLoss!], { rtol: 1e-3, what: 'held-out loss' });
  }
});
