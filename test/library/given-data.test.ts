import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  type GivenImage,
  Interrupted,
  type RunSettings,
  resumeConfig,
  runConfig,
  type TrainEvent,
  type TrainOptions,
  train,
  UsageError,
} from '../../src/index.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { givenBars } from '../helpers/given-bars.js';
import { writeBars } from '../helpers/run.js';

const SETTINGS: RunSettings = {
  ...{ size: 16, widths: [8, 16], timeDim: 8, batch: 8, timesteps: 20 },
  channels: 1,
  ...{ saveEvery: 0, sampleEvery: 0, threads: 1, heldOut: 0.2 },
};

test("a run on a program's images equals one on the same images in a file, and resumes only with given images", async (t) => {
  const folder = await temporaryFolder(t);
  const file = writeBars(folder);
  const images = givenBars(file);
  const weights = (run: string) =>
    readFileSync(join(folder, run, 'checkpoints', 'step-6', 'model.safetensors'));
  const config = runConfig({ ...SETTINGS, data: file, steps: 6 });
  await train({ config, out: join(folder, 'file') });

  const out = join(folder, 'own');
  const own = runConfig({ ...SETTINGS, data: images, steps: 3 });
  t.is(own.data.source, 'given by a program');
  async function* data() {
    yield* images;
  }
  await train({ config: own, out, data: data() });
  const resumed = await resumeConfig(out, { data: images, steps: 6 });
  const warnings: string[] = [];
  const onEvent = (event: TrainEvent) => {
    if (event.kind === 'warning') warnings.push(event.text);
  };
  await train({ config: resumed, out, data: images, resume: true, onEvent });
  t.deepEqual(warnings, []);
  t.deepEqual(weights('own'), weights('file'));

  const longer = await resumeConfig(out, { steps: 7 });
  const others = images.map((image) => ({ ...image, pixels: image.pixels.map((v) => 255 - v) }));
  await train({ config: longer, out, data: others, resume: true, onEvent });
  t.deepEqual(warnings, [
    'the checkpoint was trained on other images: from here it sees other images',
  ]);
  await t.throwsAsync(train({ config: longer, out, resume: true }), {
    instanceOf: UsageError,
    message: /own: expected images, which a program gave this run and has to give again/,
  });
  const { code, stderr } = await haze(folder, ['train', '--out', 'own', '--resume']);
  t.is(code, 2);
  t.regex(
    stderr,
    /^haze: own: expected images, which a program gave this run and has to give again.*\n$/,
  );
});

test('held-out images of a program give the same results as those in a file, also on a resume and with classes', async (t) => {
  const folder = await temporaryFolder(t);
  const file = writeBars(folder);
  const images = givenBars(file);
  const others = images.slice(0, 6).reverse();
  const lossesOf = (run: string) =>
    readFileSync(join(folder, run, 'metrics.jsonl'), 'utf8').match(/"heldOutLoss":[\d.]+/g);
  const idx = readFileSync(file);
  const aside = Buffer.concat([
    idx.subarray(0, 16),
    ...others.map(({ pixels }) => Buffer.from(pixels)),
  ]);
  aside.writeUInt32BE(others.length, 4);
  writeFileSync(join(folder, 'aside.idx'), aside);
  const inFile = runConfig({
    ...{ ...SETTINGS, data: file, heldOut: join(folder, 'aside.idx') },
    steps: 4,
  });
  const { heldOutLoss } = await train({ config: inFile, out: join(folder, 'file') });

  const out = join(folder, 'own');
  const own = runConfig({ ...SETTINGS, data: images, heldOut: others, steps: 2 });
  t.deepEqual(own.data.heldOut, { source: 'given by a program' });
  async function* slowly() {
    yield* others;
  }
  await train({ config: own, out, data: images, heldOut: slowly() });
  const config = await resumeConfig(out, { data: images, heldOut: others, steps: 4 });
  const resumed = await train({ config, out, data: images, heldOut: others, resume: true });
  t.is(resumed.heldOutLoss, heldOutLoss);
  t.deepEqual(lossesOf('own')?.at(-1), lossesOf('file')?.at(-1));
  const longer = await resumeConfig(out, { steps: 5 });
  await t.throwsAsync(train({ config: longer, out, data: images, resume: true }), {
    instanceOf: UsageError,
    message: /own: expected images to hold out, which a program gave this run and has to/,
  });

  const wrong: [heldOut: unknown, message: RegExp][] = [
    [[], /^train\.heldOut: expected images, got none$/],
    [[{ ...images[0], pixels: [] }], /^train\.heldOut: image 0: pixels: expected a Uint8Array/],
  ];
  for (const [heldOut, message] of wrong)
    await t.throwsAsync(
      train({ config: own, out: `${out}2`, data: images, heldOut: heldOut as GivenImage[] }),
      { instanceOf: UsageError, message },
    );
  const named = (list: readonly GivenImage[]) =>
    list.map((image, i) => ({ ...image, label: i % 2 === 0 ? 'even' : 'odd' }));
  const told = runConfig({
    ...{ preset: 'unet2d-32', network: 'unet2d', size: 16, channels: 1, widths: [16, 32] },
    ...{ layers: 1, groups: 8, timesteps: 20, batch: 4, steps: 1, threads: 1 },
    ...{ saveEvery: 0, sampleEvery: 0, classes: 'labels', data: images, heldOut: others },
  });
  await train({ config: told, out: `${out}3`, data: named(images), heldOut: named(others) });
  await t.throwsAsync(
    train({ config: told, out: `${out}4`, data: named(images), heldOut: others }),
    { instanceOf: UsageError, message: /^runConfig\.heldOut: given by a program .*class/ },
  );
});

test('a signal ends the wait for an image that does not come', async (t) => {
  const folder = await temporaryFolder(t);
  const [first] = givenBars(writeBars(folder));
  let waiting = () => {};
  const waits = new Promise<void>((resolve) => {
    waiting = resolve;
  });
  async function* data() {
    yield first!;
    waiting();
    await new Promise(() => {});
  }
  const stop = new AbortController();
  const config = runConfig({ ...SETTINGS, data: [first!], heldOut: 0.2, steps: 2 });
  const run = train({ config, out: join(folder, 'run'), data: data(), signal: stop.signal });
  await waits;
  stop.abort();
  await t.throwsAsync(run, { instanceOf: Interrupted, message: /before the first step; no run/ });
});

test('an option that train does not have is refused, and so is a config that is none', async (t) => {
  const folder = await temporaryFolder(t);
  const images = givenBars(writeBars(folder));
  const config = runConfig({ ...SETTINGS, data: images, steps: 2 });
  const out = join(folder, 'run');
  const wrong: [options: object, message: RegExp][] = [
    [{ config, out, data: images, steps: 3 }, /^train\.steps: unknown option; expected config, /],
    [{ out }, /^train\.config: expected what runConfig or resumeConfig returns$/],
    [{ config }, /^train\.out: expected the run's folder, got undefined$/],
    [{ config, out }, /^train\.data: expected the images that the config was made for, got none: /],
  ];
  for (const [options, message] of wrong)
    await t.throwsAsync(train(options as TrainOptions), { instanceOf: UsageError, message });
  t.false(existsSync(out));
});

test('images are refused if the config names other data, or none', async (t) => {
  const folder = await temporaryFolder(t);
  const file = writeBars(folder);
  const config = runConfig({ ...SETTINGS, data: file, steps: 1 });
  const out = join(folder, 'run');
  await t.throwsAsync(train({ config, out, data: givenBars(file) }), {
    instanceOf: UsageError,
    message: /^train\.data: the config has .*bars\.idx; .* runConfig\(\{ data: images \}\)/,
  });
  await t.throwsAsync(train({ config, out, heldOut: givenBars(file) }), {
    instanceOf: UsageError,
    message: /^train\.heldOut: the config has none; .* runConfig\(\{ heldOut: images \}\)/,
  });
});
