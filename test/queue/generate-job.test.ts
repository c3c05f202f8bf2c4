import test from 'ava';
import { completeModel } from '../../src/config/network-settings.js';
import { UsageError } from '../../src/errors.js';
import type { AutoencoderConfig } from '../../src/network/autoencoder.js';
import { bytesOfImage, idOf, imagesInWords, parseJob } from '../../src/queue/generate-job.js';
import { changed } from '../helpers/changed.js';
import { jobOf } from '../helpers/generate-job.js';

const weights = { sha256: '0123456789abcdef'.repeat(4), bytes: 1000 };
const job = jobOf(weights, '0.1.0-strict');
const copy = () => JSON.parse(JSON.stringify(job)) as Record<string, unknown>;

test('a job is unchanged by JSON', (t) => {
  t.deepEqual(parseJob(copy()), job);
  t.is(imagesInWords(job.images), 'images 4 to 7');
});

test('a job with classes and a guide is unchanged by JSON', (t) => {
  const model = completeModel({
    ...{ kind: 'unet2d', size: 8, widths: [8, 16], channels: 3, numClasses: 4 },
  });
  const recipe = {
    ...{ ...job.recipe, model },
    condition: { labels: [0, 2], guidance: 3, none: 3 },
    guide: { weights, model, guidance: 2 },
  };
  const told = { ...job, recipe };
  t.deepEqual(parseJob(JSON.parse(JSON.stringify(told))), told);
  const refuses = (recipe: unknown, message: RegExp) =>
    t.throws(() => parseJob({ ...copy(), recipe }), { instanceOf: UsageError, message });
  refuses({ ...recipe, condition: { labels: [4], guidance: 1, none: null } }, /condition\.labels/);
  refuses({ ...recipe, condition: { labels: [], guidance: 1, none: null } }, /1 to .* labels/);
  refuses({ ...recipe, condition: { labels: [0], guidance: 1, none: 9 } }, /condition\.none/);
  refuses({ ...recipe, condition: null }, /condition: expected one, for a model of classes/);
  const other = { ...recipe.guide, model: { ...model, size: 16 } };
  refuses(
    { ...recipe, guide: other },
    /guide\.model: expected the same images and classes as the model/,
  );
});

const SHARED = { channels: 3, latentChannels: 5, scale: 1.5, shift: -0.25 } as const;
const TINY: AutoencoderConfig = {
  ...{ kind: 'tiny', ...SHARED },
  ...{ encoderWidth: 8, decoderWidth: 16, encoderBlocks: [0, 1, 2], decoderBlocks: [2, 1, 0] },
};
const KL: AutoencoderConfig = {
  ...{ kind: 'kl', ...SHARED, widths: [8, 16], layers: 2, groups: 4 },
  ...{ midAttention: true, quantConv: false, postQuantConv: true },
};

/** A job of latents. */
const latentJob = (config: AutoencoderConfig) => ({
  ...job,
  recipe: {
    ...job.recipe,
    model: { ...job.recipe.model, channels: 5 },
    autoencoder: { config, weights },
  },
});

for (const [config, factor] of [
  [TINY, 4],
  [KL, 2],
] as const)
  test(`a job of latents with an autoencoder of ${config.kind} is unchanged by JSON, and its images are pictures`, (t) => {
    const latent = latentJob(config);
    t.deepEqual(parseJob(JSON.parse(JSON.stringify(latent))), latent);
    t.is(bytesOfImage(latent.recipe), (factor * job.recipe.model.size) ** 2 * 3);
  });

test('a job with a hostile autoencoder is refused with the name of the field', (t) => {
  const cases: [config: AutoencoderConfig, path: string, value: unknown, message: RegExp][] = [
    [TINY, 'autoencoder', null, /channels: expected 1 or 3, got 5/],
    [TINY, 'autoencoder', 'x', /recipe\.autoencoder: expected an object/],
    [TINY, 'autoencoder.path', '/etc/passwd', /autoencoder\.path: unknown field/],
    [TINY, 'autoencoder.weights.sha256', '../x', /sha256: expected 64 hexadecimal digits/],
    [TINY, 'autoencoder.config.kind', 'vq', /config\.kind: expected one of/],
    [TINY, 'autoencoder.config.kind', undefined, /config\.kind: expected/],
    [TINY, 'autoencoder.config.channels', 2, /config\.channels: expected 1 or 3/],
    [TINY, 'autoencoder.config.latentChannels', 4, /expected latents of 5 channels, as the model/],
    [TINY, 'autoencoder.config.scale', 0, /config\.scale: expected/],
    [TINY, 'autoencoder.config.shift', '0', /config\.shift: expected/],
    [TINY, 'autoencoder.config.encoderBlocks', [], /encoderBlocks: expected 1 to 13, got 0/],
    [TINY, 'autoencoder.config.decoderBlocks', [1], /expected 3, like encoderBlocks, got 1/],
    [TINY, 'autoencoder.config.decoderBlocks', [1, 1e9, 1], /config\.decoderBlocks/],
    [TINY, 'autoencoder.config.encoderBlocks', new Array(14).fill(0), /got 14/],
    [TINY, 'autoencoder.config.decoderWidth', 1e9, /config\.decoderWidth: expected/],
    [TINY, 'autoencoder.config.widths', [8], /config\.widths: unknown field/],
    [KL, 'autoencoder.config.widths', [8, -1], /config\.widths/],
    [KL, 'autoencoder.config.groups', 3, /groups: expected a divisor of all widths, got 3 for 8/],
    [KL, 'autoencoder.config.layers', 1e9, /config\.layers: expected/],
    [KL, 'autoencoder.config.midAttention', 1, /config\.midAttention: expected true or false/],
    [KL, 'autoencoder.config.widths', new Array(12).fill(8), /recipe\.batch: .*bytes/],
  ];
  for (const [config, path, value, message] of cases)
    t.throws(
      () => parseJob(changed(latentJob(config), `recipe.${path}`, value)),
      { instanceOf: UsageError, message },
      path,
    );
});

test('the id of a job follows from its data, in any order of keys', (t) => {
  const turned = Object.fromEntries(Object.entries(job).reverse()) as unknown as typeof job;
  t.is(idOf(turned), idOf(job));
  t.regex(idOf(job), /^g[0-9a-f]{64}$/);
  for (const other of [
    { ...job, images: [4, 5, 6] },
    { ...job, build: '0.2.0-strict' },
    { ...job, recipe: { ...job.recipe, seed: 6 } },
  ])
    t.not(idOf(other), idOf(job));
});

test('a job with hostile fields is refused with the name of the field', (t) => {
  const cases: [path: string, value: unknown, message: RegExp][] = [
    ['build', 1, /^job\.build: expected text, got 1/],
    ['build', undefined, /^job\.build: expected a value/],
    ['code', 'process.exit()', /^job\.code: unknown field/],
    ['recipe', 'x', /^job\.recipe: expected an object/],
    ['recipe.weights.sha256', '../../etc/passwd', /sha256: expected 64 hexadecimal digits/],
    ['recipe.weights.sha256', 'A'.repeat(64), /sha256: expected 64 hexadecimal digits/],
    ['recipe.weights.bytes', 1e12, /weights\.bytes: expected a whole number from 1 to/],
    ['recipe.weights.bytes', -1, /weights\.bytes: expected a whole number from 1 to/],
    ['recipe.weights.path', '/etc/passwd', /weights\.path: unknown field/],
    ['recipe.model.kind', 'constructor', /model\.kind: expected one of/],
    ['recipe.model.size', 1e9, /model\.size: expected a whole number/],
    ['recipe.model.widths', [8, -1], /model\.widths/],
    ['recipe.model.channels', 4, /channels: expected 1 or 3/],
    ['recipe.diffusion.timesteps', 1e9, /diffusion\.timesteps/],
    ['recipe.diffusion.betaEnd', '0.1', /diffusion\.betaEnd: expected a number/],
    ['recipe.sampling.sampler', 'toString', /sampling\.sampler: expected one of/],
    ['recipe.sampling.custom', 'x', /sampling\.custom: unknown field/],
    ['recipe.sampling.steps', null, /sampling: expected sampler, steps, eta and norm/],
    ['recipe.sampling.steps', 21, /sampling\.steps/],
    ['recipe.condition', { labels: [0], guidance: 1 }, /condition: expected none/],
    ['recipe.seed', 0.5, /recipe\.seed/],
    ['recipe.batch', 1e9, /recipe\.batch/],
    ['images', [], /^job\.images: expected 1 to 4, at most a batch/],
    ['images', [0, 1, 2, 3, 4], /^job\.images: expected 1 to 4, at most a batch/],
    ['images', [-1], /^job\.images/],
    ['images', [2 ** 32], /^job\.images/],
    ['images', '0-3', /^job\.images/],
  ];
  for (const [path, value, message] of cases)
    t.throws(() => parseJob(changed(job, path, value)), { instanceOf: UsageError, message }, path);
  for (const data of [null, 'x', [], 7])
    t.throws(() => parseJob(data), { instanceOf: UsageError, message: /^job: expected an object/ });
  const large = changed(job, 'recipe.model.size', 4096) as { recipe: { batch: number } };
  large.recipe.batch = 1000;
  t.throws(() => parseJob(large), { instanceOf: UsageError, message: /recipe\.batch: .*bytes/ });
});
