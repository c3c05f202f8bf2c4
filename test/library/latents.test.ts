import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import { COMPUTING_DEFAULTS } from '../../src/config/computing.js';
import { openModel } from '../../src/config/open-model.js';
import type { Autoencoder } from '../../src/contracts/autoencoder.js';
import { openAutoencoder } from '../../src/device/open-autoencoder.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { exportDiffusers } from '../../src/export/diffusers.js';
import {
  type DrawStep,
  type EvaluateEvent,
  evaluate,
  type GivenImage,
  generate,
  type LoadSettings,
  load,
  type Model,
  RunError,
  ShapeError,
  sample,
  toImages,
  UsageError,
} from '../../src/index.js';
import { findAutoencoder } from '../../src/io/autoencoder.js';
import { runPaths } from '../../src/io/run.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { LATENT_SIZE, latentRun } from '../helpers/latent-run.js';

const HOW = { sampler: 'ddim', steps: 3 } as const;
const PICTURES = { size: 32, channels: 3 } as const;
const EACH = 32 * 32 * 3;
const OF_LATENTS = LATENT_SIZE ** 2 * 5;

async function opened(
  t: ExecutionContext,
  path: string,
  settings: LoadSettings = {},
): Promise<Model> {
  const model = await load(path, { threads: 2, ...settings });
  t.teardown(() => model.dispose());
  return model;
}

async function autoencoderOf(t: ExecutionContext, run: string): Promise<Autoencoder> {
  const computing = { ...COMPUTING_DEFAULTS, threads: 1 };
  const files = findAutoencoder(runPaths(run).vae);
  const autoencoder = await openAutoencoder(files, LATENT_SIZE, { computing, requireCuda: false });
  t.teardown(() => autoencoder.dispose());
  return autoencoder;
}

async function lastStep(model: Model, settings: object): Promise<DrawStep> {
  let last: DrawStep | undefined;
  for await (const step of model.sampleSteps(settings)) last = step;
  return last!;
}

test('sample draws pictures, of which pictures tells the shape', async (t) => {
  const run = await latentRun(t, 'tiny_16');
  const frames = { moments: 2, images: 1 };
  const drawn = await sample(run, { ...HOW, count: 3, threads: 2, frames });
  t.deepEqual(drawn.pictures, PICTURES);
  t.like(drawn.model, { size: LATENT_SIZE, channels: 5 });
  t.is(drawn.images.length, 3 * EACH);
  t.deepEqual(
    drawn.frames.map(({ images }) => images.length),
    [EACH, EACH],
  );
  t.like(toImages(drawn.images, drawn.pictures), { count: 3, width: 32, channels: 3 });
  t.throws(() => toImages(new Float32Array(OF_LATENTS), drawn.model), {
    instanceOf: UsageError,
    message: /^toImages: expected images of 1 or 3 channels, got 5: latents/,
  });
});

test('a model that stays open draws the pictures of sample; its steps are latents', async (t) => {
  const run = await latentRun(t, 'tiny_16');
  const model = await opened(t, run);
  const autoencoder = await autoencoderOf(t, run);
  t.deepEqual(model.pictures, PICTURES);
  const settings = { ...HOW, count: 2, seed: 3 };
  const expected = await sample(run, { ...settings, threads: 1 });
  t.deepEqual(await model.sample(settings), expected);
  const { x } = await lastStep(model, settings);
  t.is(x.length, 2 * OF_LATENTS);
  t.deepEqual(await autoencoder.decode(x), expected.images);
  t.deepEqual(await model.decode(x), expected.images);
  const latents = await model.encode(expected.images);
  t.deepEqual(latents, await autoencoder.encode(expected.images));
  t.is((await model.predict(latents, 7)).length, 2 * OF_LATENTS);
});

test('a picture is redrawn as sample does it, at once and step by step', async (t) => {
  const run = await latentRun(t, 'tiny_16');
  const model = await opened(t, run);
  const from = Float32Array.from({ length: EACH }, (_, i) => (i % 51) / 25.5 - 1);
  const mask = Uint8Array.from({ length: 32 * 32 }, (_, i) => (i % 32 < 13 ? 0 : 1));
  const whole = { ...HOW, steps: 5, from, strength: 0.5, count: 2, seed: 3 };
  const masked = { ...whole, mask, resample: 2 };
  for (const settings of [whole, masked]) {
    const expected = await sample(run, { ...settings, threads: 1 });
    t.deepEqual((await model.sample(settings)).images, expected.images);
    const { x } = await lastStep(model, settings);
    const pictures = await model.decode(x);
    const isDrawn = (i: number) => settings === whole || mask[Math.floor((i % EACH) / 3)] === 1;
    t.true(pictures.every((value, i) => !isDrawn(i) || value === expected.images[i]));
    t.true(expected.images.every((value, i) => isDrawn(i) || value === from[i % EACH]));
  }
  await t.throwsAsync(model.sample({ from: from.slice(1) }), {
    instanceOf: ShapeError,
    message: 'model.sample.from: expected 3072 values, got 3071',
  });
});

test('generate and evaluate draw the pictures of sample', async (t) => {
  const run = await latentRun(t, 'kl_plain_grey_16');
  const out = join(await temporaryFolder(t), 'out');
  const settings = { ...HOW, count: 4, threads: 2 };
  await generate(run, { ...settings, out, format: 'npz' });
  const { images, pictures } = await sample(run, settings);
  t.deepEqual(pictures, { size: 32, channels: 1 });
  const { slicedWasserstein, samples } = await evaluate(run, {
    ...settings,
    reference: join(out, 'images.npz'),
    patchImages: 4,
  });
  t.like(samples, { images: 4, size: 32, channels: 1, scaled: null });
  t.is(slicedWasserstein!.mean, 0);
  t.is(images.length, 4 * 32 * 32);
});

test('evaluate measures losses on the latents of held-out pictures, as training encodes them', async (t) => {
  const run = await latentRun(t, 'tiny_16');
  const model = await opened(t, run, {});
  const image = (k: number): GivenImage => ({
    ...{ width: 32, height: 32, channels: 3 },
    pixels: Uint8Array.from({ length: EACH }, (_, i) => (7 * i * (k + 1)) % 256),
  });
  const images = Array.from({ length: 3 }, (_, k) => image(k));
  const texts: string[] = [];
  const options = { heldOut: images, heldOutImages: 3, seed: 4 };
  const onEvent = (event: EvaluateEvent) => event.kind === 'note' && texts.push(event.text);
  const { likelihood } = await evaluate(run, { ...options, threads: 1, onEvent });
  t.true(texts.some((text) => /^latents 8x8x5 of pictures of 32x32x3, by Auto/.test(text)));
  t.like(likelihood, { images: 3, timesteps: 20, variance: null, bitsPerDim: null, terms: null });
  t.deepEqual((await evaluate(run, { ...options, threads: 2 })).likelihood, likelihood);

  const random = new CounterRandom(4);
  const { exact } = makeSchedule((await openModel(run, new Args({}))).diffusion);
  const step = 7;
  let sum = 0;
  for (const [k, { pixels }] of images.entries()) {
    const latents = await model.encode(Float32Array.from(pixels, (byte) => byte / 127.5 - 1));
    const noise = random.normals(PURPOSE.likelihoodNoise, k, step, OF_LATENTS);
    const [alpha, sigma] = [exact.sqrtAlphaBar[step]!, exact.sqrtOneMinusAlphaBar[step]!];
    const xt = latents.map((value, i) => alpha * value + sigma * noise[i]!);
    const predicted = await model.predict(xt, step);
    sum += predicted.reduce((all, value, i) => all + Math.abs(value - noise[i]!), 0);
  }
  const expected = sum / (3 * OF_LATENTS);
  const loss = likelihood!.losses.l1[step]!;
  t.true(Math.abs(loss - expected) < 1e-5 * expected, `${loss} ${expected}`);
  await t.throwsAsync(evaluate(run, { ...options, variance: 'large' }), {
    instanceOf: UsageError,
    message: /^evaluate\.variance: no samples are drawn without/,
  });
});

test('latents alone can be predicted and drawn step by step, and an autoencoder makes them pictures', async (t) => {
  const flags = { network: 'unet2d', layers: '1', groups: '4' };
  const run = await latentRun(t, 'tiny_16', flags);
  const pipeline = join(await temporaryFolder(t), 'pipeline');
  await exportDiffusers({ ...(await openModel(run, new Args({}))), out: pipeline });
  const path = join(pipeline, 'unet');
  const bare = { timesteps: 20, size: LATENT_SIZE };
  const model = await opened(t, path, bare);
  t.is(model.pictures, null);
  const latents = new Float32Array(OF_LATENTS);
  t.is((await model.predict(latents, 3)).length, OF_LATENTS);
  const { x } = await lastStep(model, { ...HOW, count: 1 });
  t.is(x.length, OF_LATENTS);
  const message = `${path}: its images have 5 channels, so they are latents; load.autoencoder gives the autoencoder that decodes them`;
  for (const refused of [
    () => model.sample({ count: 1 }),
    () => model.decode(x),
    () => model.encode(x),
    () => lastStep(model, { from: new Float32Array(EACH) }),
  ])
    await t.throwsAsync(refused(), { instanceOf: UsageError, message });
  await t.throwsAsync(sample(path, bare), {
    instanceOf: UsageError,
    message: /so they are latents; sample\.autoencoder gives the autoencoder that decodes them$/,
  });
  const autoencoder = runPaths(run).vae;
  const own = await opened(t, path, { ...bare, autoencoder });
  const { images } = await own.sample({ ...HOW, count: 1 });
  t.deepEqual((await sample(path, { ...bare, ...HOW, count: 1, autoencoder })).images, images);
  t.deepEqual(await own.decode(x), images);
});

test('arrays of other lengths, models of pixels and disposed ones are refused', async (t) => {
  const model = await opened(t, await latentRun(t, 'tiny_16'));
  await t.throwsAsync(model.decode(new Float32Array(7)), {
    instanceOf: ShapeError,
    message: 'model.decode: expected latents of 8x8x5 = 320 values each, got 7 values',
  });
  await t.throwsAsync(model.encode([] as unknown as Float32Array), {
    instanceOf: UsageError,
    message: 'model.encode: expected images in a Float32Array, got Array',
  });
  await model.dispose();
  await t.throwsAsync(model.decode(new Float32Array(OF_LATENTS)), {
    instanceOf: RunError,
    message: 'model.decode: the model was disposed',
  });
  const run = await freshRun(t, SMALL);
  const pixels = await opened(t, run);
  t.deepEqual(pixels.pictures, { size: 16, channels: 3 });
  await t.throwsAsync(pixels.decode(new Float32Array(16 * 16 * 3)), {
    instanceOf: UsageError,
    message: `model.decode: ${run} draws pixels, and has no autoencoder`,
  });
});
