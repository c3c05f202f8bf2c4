import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Args } from '../../src/config/args.js';
import { readPictureShape } from '../../src/config/autoencoder.js';
import { openModel } from '../../src/config/open-model.js';
import { UsageError } from '../../src/errors.js';
import { exportDiffusers } from '../../src/export/diffusers.js';
import { runPaths } from '../../src/io/run.js';
import { autoencoderFolder } from '../helpers/autoencoder-fixture.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';
import { latentRun } from '../helpers/latent-run.js';

const NONE = new Args({});
const DIT = { network: 'dit', patch: '2', depth: '1', widths: '8', ema: 'none' };

test("a run's autoencoder is its copy, and one that a setting names comes before it", async (t) => {
  const run = await latentRun(t, 'kl_plain_grey_16');
  const { vae } = runPaths(run);
  for (const path of [run, join(run, 'checkpoints', 'step-1')]) {
    const model = await openModel(path, NONE);
    t.is(model.autoencoder!.folder, vae);
    t.like(model.model, { size: 8, channels: 4 });
    t.deepEqual(readPictureShape(NONE, path, model), { size: 32, channels: 1 });
  }
  const autoencoder = await autoencoderFolder(t, 'kl_plain_grey_16');
  await rm(vae, { recursive: true });
  await t.throwsAsync(openModel(run, NONE), {
    instanceOf: UsageError,
    message: `${vae}: expected the folder of an AutoencoderKL or AutoencoderTiny, got none`,
  });
  t.is((await openModel(run, new Args({ autoencoder }))).autoencoder!.folder, autoencoder);
});

test('a model of latents alone needs an autoencoder to draw pictures', async (t) => {
  const run = await latentRun(t, 'tiny_16', DIT);
  const out = join(await temporaryFolder(t), 'pipeline');
  await exportDiffusers({ ...(await openModel(run, NONE)), out });
  const network = join(out, 'transformer');
  const alone = await openModel(network, NONE);
  t.is(alone.autoencoder, null);
  t.throws(() => readPictureShape(NONE, network, alone), {
    instanceOf: UsageError,
    message: `${network}: its images have 5 channels, so they are latents; --autoencoder gives the autoencoder that decodes them`,
  });
  for (const path of [network, join(network, 'diffusion_pytorch_model.safetensors')]) {
    const given = await openModel(path, new Args({ autoencoder: runPaths(run).vae, size: '8' }));
    t.deepEqual(readPictureShape(NONE, path, given), { size: 32, channels: 3 });
  }
});

test('other latents are refused, and an autoencoder for a run on pixels', async (t) => {
  const autoencoder = await autoencoderFolder(t, 'kl_odd_12');
  const run = await latentRun(t, 'tiny_16');
  await t.throwsAsync(openModel(run, new Args({ autoencoder })), {
    instanceOf: UsageError,
    message: `--autoencoder: ${autoencoder}: expected latents of 5 channels, as ${run} has, got 3`,
  });
  const pixels = await freshRun(t, SMALL);
  await t.throwsAsync(openModel(pixels, new Args({ autoencoder })), {
    instanceOf: UsageError,
    message: `--autoencoder: ${pixels} was trained on pixels`,
  });
  await t.throwsAsync(openModel(run, new Args({ autoencoder: pixels })), {
    instanceOf: UsageError,
    message: /config\.json: _class_name: expected AutoencoderKL or AutoencoderTiny, got none$/,
  });
});
