import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Interrupted, trainAutoencoder, UsageError } from '../../src/index.js';
import { madeIn } from '../helpers/autoencoder-training.js';
import { temporaryFolder } from '../helpers/folder.js';
import { givenBars } from '../helpers/given-bars.js';
import { writeBars } from '../helpers/run.js';

const SMALL = {
  size: 16,
  channels: 1,
  widths: [6, 8],
  latents: 3,
  batch: 4,
  steps: 3,
  threads: 1,
} as const;

test('a program trains an autoencoder with the settings of the flags', async (t) => {
  const folder = await temporaryFolder(t);
  const data = writeBars(folder);
  const out = join(folder, 'vae');
  const result = await trainAutoencoder({ data, out, ...SMALL, layersPerBlock: 2 });
  t.deepEqual([result.out, result.data, result.steps], [out, data, 3]);
  t.deepEqual([result.latentSize, result.latentChannels], [8, 3]);
  const more = await trainAutoencoder({ out, resume: true, steps: 4 });
  t.is(more.steps, 4);
  await t.throwsAsync(trainAutoencoder({ out, resume: true, layers: 1 }), {
    instanceOf: UsageError,
    message:
      /^trainAutoencoder\.layers: the autoencoder in .* has 2, got 1; a resume may change only steps, saveEvery, threads and wide$/,
  });
  await t.throwsAsync(trainAutoencoder({ data, out }), {
    instanceOf: UsageError,
    message:
      /^trainAutoencoder\.out .*: expected a new or an empty folder, .*\. Add resume to continue/,
  });
});

test('pictures of a program give the autoencoder of the same ones in a file, also on a resume', async (t) => {
  const folder = await temporaryFolder(t);
  const data = writeBars(folder);
  const images = givenBars(data);
  const inFile = join(folder, 'file');
  await trainAutoencoder({ data, out: inFile, ...SMALL });
  await trainAutoencoder({ out: inFile, resume: true, steps: 5 });
  const out = join(folder, 'given');
  const list = [...images];
  const training = trainAutoencoder({ data: list, out, ...SMALL });
  list.length = 0;
  t.is((await training).data, 'given by a program');
  await t.throwsAsync(trainAutoencoder({ out, resume: true, steps: 5 }), {
    instanceOf: UsageError,
    message:
      /given: expected pictures, which a program gave this autoencoder and has to give again/,
  });
  await t.throwsAsync(trainAutoencoder({ data: images.slice(1), out, resume: true, steps: 5 }), {
    instanceOf: UsageError,
    message: /^trainAutoencoder\.data: expected the 40 pictures that .* was begun with, got 39 in /,
  });
  async function* slowly() {
    yield* images;
  }
  const resumed = await trainAutoencoder({ data: slowly(), out, resume: true, steps: 5 });
  t.is(resumed.steps, 5);
  t.deepEqual(await madeIn(out, 5), await madeIn(inFile, 5));
  await t.throwsAsync(trainAutoencoder({ data: [], out: join(folder, 'none'), ...SMALL }), {
    instanceOf: UsageError,
    message: /^trainAutoencoder\.data: expected images, got none$/,
  });
});

test('messages name settings as programs do', async (t) => {
  const folder = await temporaryFolder(t);
  const data = writeBars(folder);
  const out = join(folder, 'vae');
  const cases: [settings: object, message: RegExp][] = [
    [{ data }, /^trainAutoencoder\.out: expected a folder, got nothing$/],
    [{ out }, /^trainAutoencoder\.data: expected a folder of pictures, /],
    [{ data, out, latent: 3 }, /^trainAutoencoder\.latent: unknown option; expected data, out, /],
    [{ data, out, arithmetic: 'wasm' }, /^trainAutoencoder\.arithmetic: unknown option/],
    [{ data, out, latents: 0 }, /^trainAutoencoder\.latents: expected a whole number from 1/],
    [{ data, out, size: 15 }, /^trainAutoencoder\.size: expected a multiple of 4/],
    [{ data, out, ...SMALL, batch: 41 }, /^trainAutoencoder\.batch: expected at most 40/],
    [{ data, out, layers: 1, layersPerBlock: 1 }, /^trainAutoencoder\.layersPerBlock: another/],
    [
      { data, out, resume: true },
      /^trainAutoencoder\.resume: expected .* which has no checkpoint$/,
    ],
    [{ data: 7, out }, /^trainAutoencoder\.data: expected text/],
  ];
  for (const [settings, message] of cases)
    await t.throwsAsync(trainAutoencoder(settings as { out: string }), {
      instanceOf: UsageError,
      message,
    });
  mkdirSync(out);
  writeFileSync(join(out, 'mine.txt'), '');
  await t.throwsAsync(trainAutoencoder({ data, out, ...SMALL }), {
    message:
      /^trainAutoencoder\.out .*: expected a new or an empty folder, got one that holds mine/,
  });
});

test('an interruption says how a program continues', async (t) => {
  const folder = await temporaryFolder(t);
  const controller = new AbortController();
  const error = await t.throwsAsync(
    trainAutoencoder({
      ...{ data: writeBars(folder), out: join(folder, 'vae'), ...SMALL },
      signal: controller.signal,
      onEvent: ({ kind }) => void (kind === 'step' && controller.abort()),
    }),
    { instanceOf: Interrupted },
  );
  t.regex(
    error!.message,
    /^interrupted at step 1; saved .*\nTo continue: train with resume: true$/,
  );
});
