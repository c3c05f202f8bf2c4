import { join } from 'node:path';
import test from 'ava';
import { type RunOptions, resumeConfig, runConfig, UsageError } from '../../src/index.js';
import { createRun, type Json } from '../../src/io/run.js';
import { temporaryFolder } from '../helpers/folder.js';

test('a run needs only its data: everything else has the default of its flag', (t) => {
  const config = runConfig({ data: 'toy-cars' });
  t.is(config.data.source, 'toy-cars');
  t.deepEqual(config.model.widths, [64, 128, 256, 512, 1024]);
  t.is(config.training.batch, 128);
  t.is(config.training.epochs, 100);
  t.is(config.training.steps, null);
  t.is(config.diffusion.timesteps, 300);
  t.is(config.computing.device, 'wasm');
  t.is(config.seed, 0);
});

test('settings override the preset', (t) => {
  const config = runConfig({
    data: 'cars',
    preset: 'tiny',
    widths: [8, 16],
    steps: 5,
    seed: 3,
  });
  t.deepEqual(config.model.widths, [8, 16]);
  t.is(config.model.size, 32);
  t.is(config.training.batch, 32);
  t.is(config.training.steps, 5);
  t.is(config.training.epochs, null);
  t.is(config.seed, 3);
  t.is(config.data.source, join(process.cwd(), 'cars'));
});

test('heldOut takes a share of the data as a number, or other images by name', (t) => {
  t.deepEqual(runConfig({ data: 'a', heldOut: 0.1 }).data.heldOut, { fraction: 0.1 });
  t.deepEqual(runConfig({ data: 'a', heldOut: '/b' }).data.heldOut, { source: '/b' });
});

const wrong: [what: string, settings: Record<string, unknown>, message: RegExp][] = [
  ['no data', { data: '' }, /^runConfig\.data: expected a folder of images.*, got nothing$/],
  [
    'sides that no level has',
    { data: 'toy-cars', network: 'unet2d', attention: [7] },
    /^runConfig\.attention: expected image sizes of levels, which are 32, 16, 8, got 7$/,
  ],
  ['data that is no text', { data: 7 }, /^runConfig\.data: expected a folder .*, got number$/],
  ['a misspelt setting', { step: 5 }, /^runConfig\.step: unknown field \(did you mean steps\?\)$/],
  ['a number as text', { lr: '0.1' }, /^runConfig\.lr: expected a number above 0, got "0\.1"$/],
  ['a NaN', { lr: Number.NaN }, /^runConfig\.lr: expected a number/],
  ['an unknown preset', { preset: 'tinny' }, /^runConfig\.preset: .*did you mean tiny\?/],
  ['one width', { widths: [8] }, /^runConfig\.widths: expected two or more widths, got 1/],
  ['an odd size', { preset: 'tiny', size: 33 }, /^runConfig\.size: .* multiple of 8; got 33/],
  ['steps and epochs', { steps: 1, epochs: 1 }, /^runConfig\.epochs and steps:/],
  ['a share of more than all', { heldOut: 1.5 }, /^runConfig\.heldOut: expected .*, got 1\.5/],
  [
    'a beta of another schedule',
    { schedule: 'cosine', betaEnd: 0.1 },
    /^runConfig\.betaEnd: belongs to/,
  ],
  ['an eager engine', { eager: true }, /^runConfig\.eager: belongs to device tensorflow/],
];

for (const [what, settings, message] of wrong)
  test(`${what} is refused with place and reason`, (t) => {
    const options = { data: 'cars', ...settings } as unknown as RunOptions;
    t.throws(() => runConfig(options), { instanceOf: UsageError, message });
  });

test('a resume takes the config of the run, with permitted changes', async (t) => {
  const out = join(await temporaryFolder(t), 'run');
  const run = runConfig({ data: 'toy-cars', preset: 'tiny', steps: 5, seed: 9 });
  await createRun(out, run as unknown as Json);
  t.deepEqual(await resumeConfig(out), run);
  const longer = await resumeConfig(out, { data: 'toy-cars', steps: 8, threads: 1 });
  t.deepEqual(longer, {
    ...run,
    training: { ...run.training, steps: 8 },
    computing: { ...run.computing, threads: 1 },
  });
  await t.throwsAsync(resumeConfig(out, { lr: 0.5 }), {
    instanceOf: UsageError,
    message: /^resumeConfig\.lr: the run in .* has 0\.001, got 0\.5/,
  });
  await t.throwsAsync(resumeConfig(join(out, 'none')), { instanceOf: UsageError });
});
