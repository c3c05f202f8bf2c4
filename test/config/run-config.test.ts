import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import type { RunConfig } from '../../src/config/config.js';
import { newRunConfig, resumedRunConfig } from '../../src/config/run-config.js';
import { UsageError } from '../../src/errors.js';
import { fixturePath } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { freshRun, SMALL } from '../helpers/fresh-run.js';

const fresh = (flags: Record<string, string | boolean> = {}, source = 'toy-cars'): RunConfig =>
  newRunConfig(source, new Args(flags));

const resumed = (flags: Record<string, string | boolean>, source?: string, run = fresh()) =>
  resumedRunConfig('runs/1', run, source, new Args(flags));

const message = (make: () => unknown): string => {
  try {
    return `accepted ${JSON.stringify(make())}`;
  } catch (error) {
    return error instanceof UsageError ? error.message : `threw ${String(error)}`;
  }
};

test('without flags a run has the settings of the reference', (t) => {
  const run = fresh();
  t.deepEqual(run.model, {
    kind: 'simple',
    size: 64,
    widths: [64, 128, 256, 512, 1024],
    channels: 3,
    timeDim: 32,
    norm: 'separate',
  });
  t.deepEqual(run.diffusion, {
    timesteps: 300,
    schedule: 'linear',
    betaStart: 1e-4,
    betaEnd: 0.02,
    loss: 'l1',
  });
  t.deepEqual([run.training.batch, run.training.lr, run.training.epochs], [128, 1e-3, 100]);
  t.deepEqual([run.data.flip, run.data.fit, run.seed], [true, 'squash', 0]);
});

test('a preset sets model and batch, and single flags override it', (t) => {
  const run = fresh({ preset: 'tiny', batch: '8', channels: '1' });
  t.deepEqual(run.model.widths, [16, 32, 64, 128]);
  t.deepEqual([run.model.size, run.model.channels, run.training.batch], [32, 1, 8]);
});

test('--steps replaces the default epochs', (t) => {
  t.deepEqual(
    [fresh({ steps: '20' }).training.steps, fresh({ steps: '20' }).training.epochs],
    [20, null],
  );
  t.regex(
    message(() => fresh({ steps: '20', epochs: '2' })),
    /--epochs and --steps/,
  );
});

test('paths are stored as absolute paths, so a resume from another folder finds them', (t) => {
  t.is(fresh({}, 'photos').data.source, resolve('photos'));
  t.deepEqual(fresh({ 'held-out': 'test' }).data.heldOut, { source: resolve('test') });
  t.is(fresh({ init: 'w.safetensors' }).training.init, resolve('w.safetensors'));
  // A file is no folder to look into: `stat` of a path through it fails in another way than of a missing one.
  const file = fileURLToPath(import.meta.url);
  t.is(fresh({ init: file }).training.init, file);
});

const RUN = { ...SMALL, objective: 'v', batch: '5', loss: 'l2' };
const DRAWN = { sampler: 'ddim', steps: 9, eta: 1 } as const;

test('--init of a run takes its network, batch, forward process and sampling; how to train is given anew', async (t) => {
  const run = await freshRun(t, RUN, { sampling: DRAWN });
  const given = newRunConfig('toy-cars', new Args(RUN));
  for (const init of [run, join(run, 'checkpoints', 'step-1')]) {
    const { model, diffusion, training, sampling } = fresh({ init });
    t.deepEqual(model, given.model);
    t.deepEqual(diffusion, { ...given.diffusion, loss: 'l1' });
    t.is(training.batch, 5);
    t.deepEqual(sampling, DRAWN);
    t.is(training.init, init);
  }
  const other = fresh({ init: run, size: '32', dropout: '0.1', batch: '3', timesteps: '50' });
  t.like(other.model, { size: 32, widths: [8, 12], dropout: 0.1 });
  t.like(other.diffusion, { timesteps: 50, objective: 'v' });
  t.is(other.training.batch, 3);
});

test("with a preset the network and what it predicts are the run's, the rest the preset's", async (t) => {
  const run = await freshRun(t, { ...SMALL, schedule: 'linear' });
  const { model, diffusion, training, sampling } = fresh({ init: run, preset: 'pictures-32' });
  t.deepEqual(model, newRunConfig('toy-cars', new Args(SMALL)).model);
  // The recipe's v would be wrong for weights that predict the noise.
  t.is(diffusion.objective, undefined);
  t.like(diffusion, { schedule: 'linear', timesteps: 77, loss: 'l2' });
  t.like(training, { batch: 32, optimizer: 'muon', steps: 4800, zeroInit: false });
  t.is(sampling?.sampler, 'ddim');
  const pipeline = fresh({ init: fixturePath('pipelines/flat'), preset: 'minutes-32' });
  t.is(pipeline.diffusion.objective, undefined);
});

test('settings that contradict the network of --init are refused by name', async (t) => {
  const run = await freshRun(t, RUN);
  const simple = await freshRun(t, { size: '16', widths: '8,16' });
  const folder = fixturePath('pipelines/flat');
  const cases: [flags: Record<string, string | boolean>, expected: RegExp][] = [
    [{ init: run, widths: '8,16' }, /^--widths: .*run has 8,12, got 8,16$/],
    [{ init: run, channels: '1' }, /^--channels: .*run has 3, got 1$/],
    [{ init: run, 'norm-eps': '1e-5' }, /^--norm-eps: .*run has 0\.000001, got 0\.00001$/],
    [{ init: run, attention: '16' }, /^--attention: .*run has 8, got 16$/],
    [{ init: run, network: 'simple' }, /^--network: .*run has unet2d, got simple$/],
    [{ init: run, norm: 'shared' }, /^--norm: belongs to --network simple; the network is unet2d$/],
    [{ init: simple, norm: 'shared' }, /^--norm: .*run has separate, got shared$/],
    [{ init: simple, network: 'unet2d' }, /^--network: .*run has simple, got unet2d$/],
    [{ init: folder, groups: '2' }, /^--groups: .*flat.* has 4, got 2$/],
    [
      { init: run, 'network-config': join(folder, 'config.json') },
      /^--network-config: .*run already gives the network; give only one of the two$/,
    ],
  ];
  for (const [flags, expected] of cases)
    t.regex(
      message(() => fresh(flags)),
      expected,
    );
  t.notThrows(() => fresh({ init: run, widths: '8,12', attention: '8', 'norm-eps': '1e-6' }));
});

test('a number for --held-out is a fraction', (t) => {
  t.deepEqual(fresh({ 'held-out': '0.25' }).data.heldOut, { fraction: 0.25 });
  for (const text of ['0', '1', '1.5', '-0.1', 'Infinity'])
    t.regex(
      message(() => fresh({ 'held-out': text })),
      /--held-out: expected a folder, or a fraction above 0 and below 1/,
    );
});

test('conflicting settings are refused', (t) => {
  t.regex(
    message(() => fresh({ schedule: 'cosine', 'beta-start': '0.1' })),
    /--beta-start: belongs to --schedule linear, scaled-linear or sigmoid; the schedule is cosine/,
  );
  t.regex(
    message(() => fresh({ 'beta-start': '0.5', 'beta-end': '0.1' })),
    /--beta-end: expected at least --beta-start/,
  );
  for (const [flag, value] of [
    ['schedule', 'cosine'],
    ['beta-start', '0.001'],
    ['beta-end', '0.03'],
    ['scale-betas', true],
  ] as const)
    t.is(
      message(() => fresh({ objective: 'flow', [flag]: value })),
      `--${flag}: --objective flow has straight paths and no schedule`,
    );
  t.notThrows(() => fresh({ objective: 'flow', preset: 'pictures-32' }));
  t.regex(
    message(() => fresh({ eager: true })),
    /--eager: belongs to --device tensorflow/,
  );
  t.regex(
    message(() => fresh({ size: '40' })),
    /--size: 5 widths halve the image 4 times/,
  );
  t.regex(
    message(() => fresh({ widths: '64' })),
    /--widths: expected two or more widths, got 1/,
  );
});

test('a resume without flags keeps the config', (t) => {
  t.deepEqual(resumed({}), fresh());
  t.deepEqual(resumed({}, 'toy-cars'), fresh());
});

test('a resume may change what does not change the model', (t) => {
  const flags = {
    steps: '30',
    threads: '1',
    device: 'auto',
    strict: true,
    'save-every': '7',
    'sample-every': '0',
    keep: '9',
  };
  const { training, computing } = resumed(flags);
  t.deepEqual(
    [training.steps, training.epochs, training.saveEvery, training.sampleEvery, training.keep],
    [30, null, 7, 0, 9],
  );
  t.deepEqual([computing.threads, computing.device, computing.strict], [1, 'auto', true]);
  t.is(resumed({ epochs: '3' }, undefined, fresh({ steps: '5' })).training.steps, null);
});

test("a resume may repeat the run's own settings", (t) => {
  t.notThrows(() =>
    resumed({ lr: '0.001', size: '64', preset: 'reference', flip: true }, 'toy-cars'),
  );
});

test("any other change on a resume is refused, with the run's value and the given one", (t) => {
  const cases: [flags: Record<string, string | boolean>, expected: string][] = [
    [{ size: '32' }, '--size: the run in runs/1 has 64, got 32'],
    [{ channels: '1' }, '--channels: the run in runs/1 has 3, got 1'],
    [{ widths: '8,16' }, '--widths: the run in runs/1 has 64,128,256,512,1024, got 8,16'],
    [{ 'time-dim': '16' }, '--time-dim: the run in runs/1 has 32, got 16'],
    [{ norm: 'shared' }, '--norm: the run in runs/1 has separate, got shared'],
    [{ timesteps: '10' }, '--timesteps: the run in runs/1 has 300, got 10'],
    [{ schedule: 'cosine' }, '--schedule: the run in runs/1 has linear, got cosine'],
    [{ 'beta-start': '0.001' }, '--beta-start: the run in runs/1 has 0.0001, got 0.001'],
    [{ 'beta-end': '0.03' }, '--beta-end: the run in runs/1 has 0.02, got 0.03'],
    [{ loss: 'l2' }, '--loss: the run in runs/1 has l1, got l2'],
    [{ fit: 'crop' }, '--fit: the run in runs/1 has squash, got crop'],
    [{ flip: false }, '--flip: the run in runs/1 has on, got off'],
    [{ 'held-out': '0.1' }, '--held-out: the run in runs/1 has none, got 0.1'],
    [{ batch: '8' }, '--batch: the run in runs/1 has 128, got 8'],
    [{ lr: '0.1' }, '--lr: the run in runs/1 has 0.001, got 0.1'],
    [{ init: '/w.safetensors' }, '--init: the run in runs/1 has none, got /w.safetensors'],
    [{ seed: '1' }, '--seed: the run in runs/1 has 0, got 1'],
    [{ arithmetic: 'tensorflow' }, '--arithmetic: the run in runs/1 has wasm, got tensorflow'],
  ];
  for (const [flags, expected] of cases)
    t.true(message(() => resumed(flags)).startsWith(expected), expected);
  t.true(
    message(() => resumed({}, '/photos')).startsWith(
      '<data>: the run in runs/1 has toy-cars, got a folder or file',
    ),
  );
});

test('a preset that contradicts the run is refused, naming the settings that it would change', (t) => {
  t.regex(
    message(() => resumed({ preset: 'tiny' })),
    /^--size: the run in runs\/1 has 64, got 32 \(of --preset tiny\)/,
  );
});

test('betas without noise, and betas that leave nothing of an image before the end, are refused', (t) => {
  const none = { 'beta-start': '1e-20', 'beta-end': '1e-19' };
  t.is(
    message(() => fresh(none)),
    '--beta-end: expected betas that add noise, got betas from 1e-20 to 1e-19, whose sum over --timesteps 300 is 0 as a 32-bit float beside 1',
  );
  for (const [flags, end] of [
    [{ 'beta-start': '0.99', 'beta-end': '0.999', timesteps: '1000' }, '38 of 1000'],
    [{ timesteps: '100000' }, '\\d+ of 100000'],
  ] as const)
    t.regex(
      message(() => fresh(flags)),
      new RegExp(
        `^--beta-end: expected smaller betas or fewer --timesteps, got .* after ${end} steps$`,
      ),
    );
  for (const flags of [
    { timesteps: '10000' },
    { timesteps: '1' },
    { timesteps: '100000', schedule: 'cosine' },
    { timesteps: '100000', 'scale-betas': true },
    { objective: 'v', 'zero-terminal-snr': true },
    { objective: 'flow', timesteps: '100000' },
  ])
    t.notThrows(() => fresh(flags), JSON.stringify(flags));
});

const NUMBERS: Readonly<Record<string, readonly string[]>> = {
  size: ['0', '-16', '12.5', 'abc', '1e999', '30', '5000', 'NaN'],
  channels: ['0', '2', '4', 'rgb'],
  widths: ['64', '64,0', '64,-8', '64,x', '64,,128', '8.5,16'],
  'time-dim': ['0', '3', '2', '31', '-32', 'x'],
  timesteps: ['0', '-1', '1.5', 'x', '1e9'],
  'beta-start': ['0', '-0.1', '1', '2', 'x'],
  'beta-end': ['0', '1', '0.00001', 'x'],
  batch: ['0', '-1', '1.5', 'x', '1e9'],
  lr: ['0', '-0.001', 'x', '1e999', 'NaN', '1e39'],
  epsilon: ['0', '1e-50', '1e39'],
  'weight-decay': ['-1', '1e39'],
  'muon-lr': ['0', '1e39'],
  epochs: ['0', '-1', '0.5', 'x'],
  steps: ['0', '-1', '0.5', 'x', '1e999'],
  'save-every': ['-1', '0.5', 'x'],
  'sample-every': ['-1', '0.5', 'x'],
  keep: ['0', '-1', 'x'],
  'held-out': ['0', '1', '1.5', '-0.5', '10%', '0x1', ' 0.5', 'Infinity'],
  threads: ['0', '-1', '1.5', 'x', '1000'],
  seed: ['-1', '1.5', 'x', '1e300'],
};

for (const [flag, values] of Object.entries(NUMBERS))
  test(`--${flag} is refused as ${values.join(' ')}`, (t) => {
    for (const value of values)
      t.regex(
        message(() => fresh({ [flag]: value })),
        new RegExp(`^--${flag}: `),
        value,
      );
  });

/** The folder of an autoencoder of four channels and a factor of 8, whose weights nobody reads here. */
async function tinyFolder(t: ExecutionContext, config: object = {}): Promise<string> {
  const folder = await temporaryFolder(t);
  const json = { _class_name: 'AutoencoderTiny', ...config };
  writeFileSync(join(folder, 'config.json'), JSON.stringify(json));
  writeFileSync(join(folder, 'diffusion_pytorch_model.safetensors'), '');
  return folder;
}

test("--autoencoder gives the network the latents' channels, and --size is theirs", async (t) => {
  const autoencoder = await tinyFolder(t);
  for (const preset of ['tiny', 'pictures-32', 'unet2d-32', 'dit-32']) {
    const { model, data } = fresh({ preset, autoencoder });
    t.deepEqual([model.channels, model.size], [4, 32], preset);
    t.is(data.autoencoder, resolve(autoencoder));
  }
  t.is(fresh({ preset: 'tiny', autoencoder, size: '16', channels: '4' }).model.size, 16);
  t.false('autoencoder' in fresh().data);
});

test('a recipe for pictures clamps them, and no latents', async (t) => {
  const autoencoder = await tinyFolder(t);
  const { clamp, ...rest } = fresh({ preset: 'pictures-32' }).sampling!;
  t.is(clamp, 1);
  t.deepEqual(fresh({ preset: 'pictures-32', autoencoder }).sampling, rest);
});

test('channels that are not those of the latents are refused, and so are latents without an autoencoder', async (t) => {
  const autoencoder = await tinyFolder(t);
  t.is(
    message(() => fresh({ preset: 'tiny', autoencoder, channels: '3' })),
    `--autoencoder: latents of ${autoencoder} have 4 channels, got 3 (of --channels)`,
  );
  t.regex(
    message(() => fresh({ preset: 'tiny', channels: '4' })),
    /^--channels: expected 1 or 3, got 4; other numbers are of latents, which need an autoencoder$/,
  );
  t.regex(
    message(() => fresh({ autoencoder: 'nowhere' })),
    /^--autoencoder: nowhere: expected the folder of an AutoencoderKL or AutoencoderTiny, got none$/,
  );
});

test('a resume has the autoencoder of its run, and takes no other', async (t) => {
  const autoencoder = await tinyFolder(t);
  const run = fresh({ preset: 'tiny', autoencoder });
  t.is(resumed({}, undefined, run).data.autoencoder, resolve(autoencoder));
  t.is(resumed({ autoencoder }, undefined, run).data.autoencoder, resolve(autoencoder));
  const other = await tinyFolder(t);
  t.true(
    message(() => resumed({ autoencoder: other }, undefined, run)).startsWith(
      `--autoencoder: the run in runs/1 has ${autoencoder}, got ${other}; a resume may change only`,
    ),
  );
  t.regex(
    message(() => resumed({ autoencoder })),
    /^--autoencoder: the run in runs\/1 has none, got \//,
  );
});

test('a network from a config has to have the channels of the latents', async (t) => {
  const autoencoder = await tinyFolder(t);
  const file = join(await temporaryFolder(t), 'network.json');
  const write = (config: object) => writeFileSync(file, JSON.stringify(config));
  const settings = { 'network-config': file, size: '32', autoencoder };
  write({ in_channels: 4, out_channels: 4, block_out_channels: [32, 64, 64, 64] });
  t.is(fresh(settings).model.channels, 4);
  t.regex(
    message(() => fresh({ 'network-config': file, size: '32' })),
    /network\.json: its images have 4 channels, so they are latents; --autoencoder gives the autoencoder that encodes them$/,
  );
  write({ block_out_channels: [32, 64, 64, 64] });
  t.is(
    message(() => fresh(settings)),
    `--autoencoder: latents of ${autoencoder} have 4 channels, got 3 (of ${file})`,
  );
});
