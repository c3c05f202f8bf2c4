import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Args } from '../../src/config/args.js';
import { kebab } from '../../src/config/flag.js';
import { modelGroups, readModel } from '../../src/config/model.js';
import { fieldsOf, flagOf, KINDS, kindsWith } from '../../src/config/network-fields.js';
import { PRESETS } from '../../src/config/presets.js';
import { parseRunConfig } from '../../src/config/read.js';
import { newRunConfig, resumedRunConfig } from '../../src/config/run-config.js';
import { OPTIMIZER_DEFAULTS, optimizerOf } from '../../src/config/training.js';
import { ADAM } from '../../src/contracts/device.js';
import { UsageError } from '../../src/errors.js';
import { runConfig } from '../../src/library/run-config.js';
import { toDiffusers } from '../../src/network/diffusers-config.js';
import type { DitConfig } from '../../src/network/dit-config.js';
import type { Unet2dConfig } from '../../src/network/unet2d-config.js';
import { fixturePath } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';

type Flags = Record<string, string | boolean>;

const fresh = (flags: Flags = {}) => newRunConfig('toy-cars', new Args(flags));
const model = (flags: Flags = {}) => fresh({ network: 'unet2d', ...flags }).model as Unet2dConfig;

const dit = (flags: Flags = {}) => fresh({ network: 'dit', ...flags }).model as DitConfig;

const refused = (t: ExecutionContext, make: () => unknown, message: RegExp) =>
  t.throws(make, { instanceOf: UsageError, message });

test('--network unet2d has the defaults of UNet2DModel, with groups and heads that fit its widths', (t) => {
  t.deepEqual(fresh({ network: 'unet2d' }).model, {
    kind: 'unet2d',
    size: 32,
    channels: 3,
    widths: [32, 64, 128],
    layers: 2,
    downAttention: [false, false, true],
    upAttention: [true, false, false],
    mid: true,
    midAttention: true,
    midScale: 1,
    headDim: 8,
    groups: 32,
    attentionGroups: null,
    eps: 1e-5,
    timeDim: 128,
    flipSinToCos: true,
    freqShift: 0,
    timeScaleShift: 'default',
    centerInput: false,
    downPadding: 1,
    downType: 'conv',
    upType: 'conv',
    numClasses: null,
    dropout: 0,
  });
  t.is(fresh({ network: 'unet2d' }).training.batch, 64);
  t.deepEqual(fresh({ preset: 'unet2d-32' }).model, fresh({ network: 'unet2d' }).model);
});

test('groups are the largest divisor of all widths up to 32, heads 8 or the largest divisor below', (t) => {
  const of = (widths: string) => {
    const { groups, headDim } = model({ widths });
    return [groups, headDim];
  };
  t.deepEqual(of('64,128'), [32, 8]);
  t.deepEqual(of('24,36'), [12, 6]);
  t.deepEqual(of('48,60'), [12, 6]);
  t.deepEqual(of('10,25'), [5, 5]);
  t.deepEqual(of('6,11'), [1, 1]);
});

test('--attention selects levels by image size, on the way down and up', (t) => {
  const levels = (flags: Flags) => {
    const { downAttention, upAttention } = model({ size: '32', widths: '8,8,16,16', ...flags });
    return [downAttention, upAttention];
  };
  t.deepEqual(levels({ attention: '16,4' }), [
    [false, true, false, true],
    [true, false, true, false],
  ]);
  t.deepEqual(levels({ attention: 'none' }), [
    [false, false, false, false],
    [false, false, false, false],
  ]);
  refused(
    t,
    () => levels({ attention: '12' }),
    /^--attention: expected image sizes of levels, which are 32, 16, 8, 4, got 12$/,
  );
});

test('every flag of the table is read into its field', (t) => {
  const flags: Flags = {
    channels: '1',
    widths: '12,24,36',
    'time-dim': '20',
    'layers-per-block': '3',
    'mid-scale': '1.5',
    'head-dim': 'all',
    groups: '3',
    'attention-groups': '6',
    'norm-eps': '1e-6',
    'flip-sin-to-cos': false,
    'freq-shift': '1',
    'time-scale-shift': 'scale_shift',
    'center-input': true,
    'down-padding': '0',
    'down-type': 'resnet',
    'up-type': 'resnet',
    dropout: '0.1',
    attention: '32,8',
  };
  t.deepEqual({ ...model(flags) }, {
    kind: 'unet2d',
    size: 32,
    channels: 1,
    widths: [12, 24, 36],
    timeDim: 20,
    layers: 3,
    mid: true,
    midAttention: true,
    midScale: 1.5,
    headDim: null,
    groups: 3,
    attentionGroups: 6,
    eps: 1e-6,
    flipSinToCos: false,
    freqShift: 1,
    timeScaleShift: 'scale_shift',
    centerInput: true,
    downPadding: 0,
    downType: 'resnet',
    upType: 'resnet',
    dropout: 0.1,
    downAttention: [true, false, true],
    upAttention: [true, false, true],
    numClasses: null,
  } as never);
  t.like(model({ mid: false }), { mid: false, midAttention: true });
  t.like(model({ 'mid-attention': false }), { mid: true, midAttention: false });
  // Help lists what is read; classes are the business of classes.test.ts.
  const listed = Object.values(modelGroups).flatMap(Object.keys);
  for (const kind of KINDS)
    for (const [name] of fieldsOf(kind)) t.true(listed.includes(flagOf(kind, name)), kebab(name));
});

test('--network dit has its preset, and from flags alone the defaults of help', (t) => {
  t.deepEqual(dit(), PRESETS['dit-32'].model);
  t.deepEqual({ ...dit({ widths: '96', depth: '6', patch: '2' }) }, {
    ...{ kind: 'dit', size: 32, channels: 3, widths: [96], depth: 6, patch: 2 },
    ...{ baseSize: 32, headDim: 48, eps: 1e-5, dropout: 0, numClasses: null },
  } as never);
  t.is(dit({ size: '64' }).baseSize, 64);
  const headDim = (widths: string) => dit({ widths }).headDim;
  t.deepEqual(['4', '60', '64', '100', '256'].map(headDim), [4, 60, 64, 50, 64]);
});

test("every flag of a dit is read into its field, and from a program's settings", (t) => {
  const flags: Flags = {
    ...{ size: '24', channels: '1', widths: '48', depth: '3', patch: '3' },
    ...{ 'base-size': '12', 'head-dim': '12', 'norm-eps': '1e-6', dropout: '0.1' },
  };
  t.deepEqual({ ...dit(flags) }, {
    ...{ kind: 'dit', size: 24, channels: 1, widths: [48], depth: 3, patch: 3 },
    ...{ baseSize: 12, headDim: 12, eps: 1e-6, dropout: 0.1, numClasses: null },
  } as never);
  t.deepEqual(
    runConfig({
      ...{ data: 'toy-cars', network: 'dit', size: 24, channels: 1, widths: [48], depth: 3 },
      ...{ patch: 3, baseSize: 12, headDim: 12, normEps: 1e-6, dropout: 0.1 },
    }),
    fresh({ network: 'dit', ...flags }),
  );
});

test('help has each flag of several networks once, under a heading that names them', (t) => {
  const under = Object.entries(modelGroups).map(([title, flags]) => [title, Object.keys(flags)]);
  const { 'Model:': all, ...own } = Object.fromEntries(under) as Record<string, string[]>;
  t.true(['channels', 'widths'].every((name) => all!.includes(name)));
  t.deepEqual(Object.keys(own), [
    ...['Model, with --network simple or unet2d:', 'Model, with --network unet2d or dit:'],
    ...['simple', 'unet2d', 'dit'].map((kind) => `Model, with --network ${kind}:`),
  ]);
  t.deepEqual(own['Model, with --network simple or unet2d:'], ['time-dim']);
  t.deepEqual(own['Model, with --network dit:'], ['depth', 'patch', 'base-size']);
  t.deepEqual(kindsWith('headDim'), ['unet2d', 'dit']);
  const names = Object.values(own).flat();
  t.is(new Set(names).size, names.length);
});

test('a flag of another network is refused by name, with all networks that have it', (t) => {
  const both = /^--head-dim: belongs to --network unet2d and dit; the network is simple$/;
  refused(t, () => fresh({ 'head-dim': '8' }), both);
  refused(
    t,
    () => dit({ 'time-dim': '8' }),
    /^--time-dim: belongs to --network simple and unet2d; the network is dit$/,
  );
  refused(
    t,
    () => model({ patch: '2' }),
    /^--patch: belongs to --network dit; the network is unet2d$/,
  );
  refused(t, () => dit({ attention: '8' }), /^--attention: belongs to --network unet2d; .* dit$/);
  refused(
    t,
    () => runConfig({ data: 'toy-cars', depth: 2 }),
    /^runConfig\.depth: belongs to network dit; the network is simple$/,
  );
  refused(
    t,
    () => fresh({ 'layers-per-block': '1' }),
    /^--layers-per-block: belongs to --network unet2d; the network is simple$/,
  );
  refused(
    t,
    () => fresh({ attention: '8' }),
    /^--attention: belongs to --network unet2d; the network is simple$/,
  );
  refused(
    t,
    () => fresh({ 'norm-eps': '0.1' }),
    /^--norm-eps: belongs to --network unet2d and dit;/,
  );
  refused(
    t,
    () => model({ norm: 'shared' }),
    /^--norm: belongs to --network simple; the network is unet2d$/,
  );
  refused(
    t,
    () => fresh({ preset: 'small', network: 'unet2d' }),
    /^--network: --preset small has simple, got unet2d$/,
  );
  refused(
    t,
    () => runConfig({ data: 'toy-cars', layers: 2 }),
    /^runConfig\.layers: belongs to network unet2d/,
  );
});

test('invalid networks are refused', (t) => {
  refused(
    t,
    () => model({ groups: '5' }),
    /^--groups: expected a divisor of all normalised channels, got 5 for 32$/,
  );
  refused(
    t,
    () => model({ 'head-dim': 'none' }),
    /^--head-dim: expected a whole number from 1 to 16384 or all, got none$/,
  );
  refused(t, () => model({ widths: '7,14' }), /^--widths: expected an even first width/);
  refused(
    t,
    () => model({ 'attention-groups': '5' }),
    /^--attention-groups: expected a divisor of all normalised channels, got 5 for /,
  );
  refused(
    t,
    () => model({ 'freq-shift': '1000' }),
    /^--freq-shift: expected a number below 16, half of the first width, got 1000$/,
  );
  refused(
    t,
    () => model({ 'head-dim': '1000' }),
    /^--head-dim: expected at most the 128 channels of a level with attention, got 1000$/,
  );
  refused(
    t,
    () => model({ dropout: '1' }),
    /^--dropout: expected a number from 0 and below 1, got 1$/,
  );
  refused(t, () => model({ size: '30' }), /^--size: 3 widths halve the image 2 times/);
  const ofDit: [flags: Flags, message: RegExp][] = [
    [{ widths: '8,16' }, /^--widths: expected one width, that of a token, got 8,16$/],
    [{ widths: '6' }, /^--widths: expected a multiple of 4, got 6$/],
    [{ 'head-dim': '7' }, /^--head-dim: expected a divisor of the width 192, got 7$/],
    [{ 'base-size': '3' }, /^--base-size: expected 4 or more, the size of a patch, got 3$/],
    [{ 'head-dim': 'all' }, /^--head-dim: expected a whole number from 1 to 16384, got all$/],
    [{ depth: '0' }, /^--depth: expected a whole number from 1 to 64, got 0$/],
    [{ patch: '0' }, /^--patch: expected a whole number from 1 to 4096, got 0$/],
    [{ 'norm-eps': '0' }, /^--norm-eps: expected a number above 0, got 0$/],
    [{ size: '30' }, /^--size: patches of 4 pixels need a multiple of 4, got 30$/],
    [
      { 'num-classes': 'timestep', classes: 'auto' },
      /^--num-classes: expected a whole number from 2 to 1000000, got timestep$/,
    ],
    [
      { steps: '9', grow: '6:0.5' },
      /^--grow: 6: .*patches of 4 pixels need a multiple of 4, got 6$/,
    ],
  ];
  for (const [flags, message] of ofDit) refused(t, () => dit(flags), message);
});

test("a preset's head size yields to a width that it does not divide", (t) => {
  const preset = { kind: 'dit', size: 32, widths: [96], headDim: 32 } as const;
  const base = { given: preset, named: '--preset mine', yields: true };
  const headDim = (flags: Flags) => (readModel(new Args(flags), base) as DitConfig).headDim;
  t.deepEqual([headDim({}), headDim({ widths: '128' }), headDim({ widths: '100' })], [32, 32, 50]);
  t.is(headDim({ widths: '100', 'head-dim': '4' }), 4);
});

test("--network-config reads diffusers' config, and flags override it", async (t) => {
  const wanted = model({
    widths: '16,24',
    'layers-per-block': '1',
    'norm-eps': '1e-6',
    'down-padding': '0',
  });
  const path = join(await temporaryFolder(t), 'config.json');
  writeFileSync(path, JSON.stringify(toDiffusers(wanted, 16)));
  const run = fresh({ 'network-config': path });
  t.deepEqual(run.model, { ...wanted, size: 16 });
  t.is(run.training.batch, 16);
  t.like(fresh({ 'network-config': path, dropout: '0.2', size: '32' }).model, {
    dropout: 0.2,
    size: 32,
  });
  const trained = fresh({ 'network-config': path, preset: 'pictures-32' });
  t.deepEqual(trained.model, { ...wanted, size: 16 });
  t.like(trained.training, {
    batch: PRESETS['pictures-32'].batch,
    optimizer: 'muon',
    zeroInit: true,
  });
  refused(
    t,
    () => fresh({ 'network-config': path, network: 'simple' }),
    /^--network: .*config\.json has unet2d, got simple$/,
  );
  refused(
    t,
    () => fresh({ 'network-config': `${path}x` }),
    /config\.jsonx: expected a JSON object, got none/,
  );
  writeFileSync(path, JSON.stringify(toDiffusers(wanted, null)));
  refused(
    t,
    () => fresh({ 'network-config': path }),
    /^--size: .*config\.json gives no image size that fits/,
  );
});

test('--init with a diffusers folder takes its network and forward process', (t) => {
  const init = fixturePath('pipelines/nested');
  const run = fresh({ init });
  t.like(run.model, { kind: 'unet2d', size: 8, widths: [8, 12], eps: 1e-6 });
  t.like(run.diffusion, { timesteps: 50, loss: 'l1' });
  t.is(run.training.init, init);
  t.like(fresh({ init, loss: 'l2', timesteps: '40' }).diffusion, { timesteps: 40, loss: 'l2' });
});

test('config.json keeps every field, and an older run has the simple network and Adam', (t) => {
  for (const flags of [
    {},
    { network: 'unet2d', 'head-dim': 'all' },
    { network: 'dit', depth: '2' },
    { optimizer: 'adamw', clip: '1' },
    { ema: '0.999,0.9999', warmup: '100', decay: 'linear', 'decay-floor': '0.02' },
  ]) {
    const run = fresh(flags);
    t.deepEqual(parseRunConfig('config.json', JSON.parse(JSON.stringify(run))), run);
  }
  const { model, training, ...rest } = JSON.parse(JSON.stringify(fresh())) as ReturnType<
    typeof fresh
  >;
  const { kind: _, ...oldModel } = model;
  const oldTraining = Object.fromEntries(
    Object.entries(training).filter(([name]) => !(name in OPTIMIZER_DEFAULTS)),
  );
  t.deepEqual(
    parseRunConfig('config.json', { ...rest, model: oldModel, training: oldTraining }),
    fresh(),
  );
});

test('a config.json of a unet2d that lacks a field is refused', (t) => {
  const run = JSON.parse(JSON.stringify(fresh({ network: 'unet2d' })));
  delete run.model.groups;
  refused(
    t,
    () => parseRunConfig('config.json', run),
    /^config\.json\.model\.groups: expected a value, got nothing$/,
  );
});

test("a resume refuses a change of any of the network's fields, by its flag", (t) => {
  const run = fresh({ network: 'unet2d' });
  const resumed = (flags: Flags) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.deepEqual(resumed({}), run);
  t.deepEqual(resumed({ attention: '8', groups: '32', network: 'unet2d' }), run);
  const changes: [flags: Flags, message: RegExp][] = [
    [
      { 'layers-per-block': '1' },
      /^--layers-per-block: the run in runs\/1 has 2, got 1; a resume may change only/,
    ],
    [{ attention: '16,8' }, /^--attention: the run in runs\/1 has 8, got 16,8; /],
    [{ attention: 'none' }, /^--attention: the run in runs\/1 has 8, got none; /],
    [{ 'head-dim': 'all' }, /^--head-dim: the run in runs\/1 has 8, got none; /],
    [{ 'norm-eps': '0.1' }, /^--norm-eps: the run in runs\/1 has 0.00001, got 0.1; /],
    [{ mid: false, attention: '8' }, /^--mid: the run in runs\/1 has on, got off; /],
    [{ 'time-scale-shift': 'scale_shift' }, /^--time-scale-shift: /],
    [{ dropout: '0.5' }, /^--dropout: /],
    [{ network: 'simple' }, /^--network: the run in runs\/1 has unet2d, got simple; /],
    [
      { preset: 'tiny' },
      /^--network: the run in runs\/1 has unet2d, got simple \(of --preset tiny\); /,
    ],
    [{ norm: 'shared' }, /^--norm: belongs to --network simple/],
  ];
  for (const [flags, message] of changes) refused(t, () => resumed(flags), message);
});

test('a resume of a dit refuses changes of its fields', (t) => {
  const run = fresh({ network: 'dit' });
  const resumed = (flags: Flags) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.deepEqual(resumed({ network: 'dit', patch: '4', preset: 'dit-32' }), run);
  const changes: [flags: Flags, message: RegExp][] = [
    [{ depth: '5' }, /^--depth: the run in runs\/1 has 6, got 5; /],
    [{ patch: '2' }, /^--patch: the run in runs\/1 has 4, got 2; /],
    [{ 'head-dim': '32' }, /^--head-dim: the run in runs\/1 has 64, got 32; /],
    [{ 'zero-init': false }, /^--zero-init: the run in runs\/1 has on, got off; /],
    [{ preset: 'unet2d-32' }, /^--network: the run in runs\/1 has dit, got unet2d \(of --preset/],
  ];
  for (const [flags, message] of changes) refused(t, () => resumed(flags), message);
});

test('a resume blames the flag that was given, not what follows from it', (t) => {
  const run = fresh({ preset: 'minutes-32' });
  const resumed = (flags: Flags) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.deepEqual(resumed({ weighting: 'min-snr' }), run);
  const changes: [flags: Flags, message: RegExp][] = [
    [{ weighting: 'none' }, /^--weighting: the run in runs\/1 has min-snr, got none; /],
    [{ 'snr-gamma': '3' }, /^--snr-gamma: the run in runs\/1 has 5, got 3; /],
    [{ init: 'first.pt' }, /^--init: the run in runs\/1 has none, got .*first\.pt; /],
  ];
  for (const [flags, message] of changes) refused(t, () => resumed(flags), message);
});

test('a new run has a step or more of each size that it grows through', (t) => {
  const small = { network: 'unet2d', size: '32', steps: '4' };
  for (const grow of ['16:0.01', '8:0.3,16:0.31'])
    refused(
      t,
      () => fresh({ ...small, grow }),
      /^--grow: expected at least one step of each size, got .* of --steps 4$/,
    );
  t.is(fresh({ ...small, grow: '16:0.25' }).training.grow, '16:0.25');
  const { steps: _, ...timed } = small;
  t.is(fresh({ ...timed, minutes: '1', grow: '16:0.01' }).training.grow, '16:0.01');
});

test('the optimizer is Adam with PyTorch’s defaults unless flags say otherwise', (t) => {
  t.deepEqual(optimizerOf(fresh().training), ADAM);
  t.deepEqual(optimizerOf(fresh({ optimizer: 'adamw' }).training), { ...ADAM, decay: 0.01 });
  t.deepEqual(
    optimizerOf(
      fresh({
        ...{ optimizer: 'adamw', betas: '0.95,0.99', epsilon: '1e-6' },
        ...{ 'weight-decay': '0.1', clip: '1.5' },
      }).training,
    ),
    { beta1: 0.95, beta2: 0.99, epsilon: 1e-6, decay: 0.1, clip: 1.5 },
  );
  t.is(optimizerOf(fresh({ optimizer: 'adamw', 'weight-decay': '0' }).training).decay, 0);
});

test('invalid optimizer settings are refused, and changes on a resume', (t) => {
  refused(
    t,
    () => fresh({ 'weight-decay': '0.1' }),
    /^--weight-decay: belongs to --optimizer adamw and muon; the optimizer is adam$/,
  );
  refused(
    t,
    () => fresh({ betas: '0.9' }),
    /^--betas: expected 2 numbers from 0 and below 1 between commas, got 0.9$/,
  );
  refused(t, () => fresh({ betas: '0.9,1' }), /^--betas: expected 2 numbers/);
  refused(t, () => fresh({ clip: '0' }), /^--clip: expected a number above 0 or none, got 0$/);
  refused(
    t,
    () => fresh({ optimizer: 'sgd' }),
    /^--optimizer: expected one of adam, adamw, muon, got sgd/,
  );
  const run = fresh({ optimizer: 'adamw', clip: '1' });
  const resumed = (flags: Flags) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.deepEqual(resumed({ optimizer: 'adamw' }), run);
  refused(
    t,
    () => resumed({ optimizer: 'adam' }),
    /^--optimizer: the run in runs\/1 has adamw, got adam; /,
  );
  refused(t, () => resumed({ clip: '2' }), /^--clip: the run in runs\/1 has 1, got 2; /);
  refused(
    t,
    () => resumed({ betas: '0.5,0.9' }),
    /^--betas: the run in runs\/1 has 0.9,0.999, got 0.5,0.9; /,
  );
});

test('Muon has its own learning rate beside that of AdamW, which updates the rest', (t) => {
  const { training } = fresh({ optimizer: 'muon', lr: '0.004' });
  t.like(training, { optimizer: 'muon', lr: 0.004, muonLr: 0.02, weightDecay: 0.01 });
  const { muon, ...adamW } = optimizerOf(training);
  t.deepEqual(adamW, { ...ADAM, decay: 0.01 });
  t.deepEqual(muon, { momentum: 0.95, ratio: 5 });
  t.is(fresh({ optimizer: 'muon', 'muon-lr': '0.01' }).training.muonLr, 0.01);
  t.is(fresh().training.muonLr, null);
  refused(
    t,
    () => fresh({ optimizer: 'adamw', 'muon-lr': '0.01' }),
    /^--muon-lr: belongs to --optimizer muon; the optimizer is adamw$/,
  );
  refused(t, () => fresh({ optimizer: 'muon', 'muon-lr': '0' }), /^--muon-lr: expected a number/);
  const run = fresh({ optimizer: 'muon' });
  const resumed = (flags: Flags) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.deepEqual(parseRunConfig('config.json', JSON.parse(JSON.stringify(run))), run);
  t.deepEqual(resumed({}), run);
  refused(t, () => resumed({ 'muon-lr': '0.1' }), /^--muon-lr: the run in runs\/1 has 0.02, got/);
});

test('objective, weighting, timestep and accumulation settings are kept, and conflicting ones refused', (t) => {
  const unet2d = { network: 'unet2d', timesteps: '40' };
  const run = fresh({
    ...{ ...unet2d, objective: 'v', weighting: 'min-snr', 'time-sampling': 'logit-normal' },
    ...{ accumulate: '4', 'zero-init': true, 'zero-terminal-snr': true },
    ...{ grow: '8:0.5,16:0.75', steps: '100' },
  });
  t.is(run.diffusion.objective, 'v');
  const expected = {
    snrGamma: 5,
    timeSampling: 'logit-normal',
    accumulate: 4,
    zeroInit: true,
    grow: '8:0.5,16:0.75',
  };
  t.like(run.training, expected);
  t.deepEqual(parseRunConfig('config.json', JSON.parse(JSON.stringify(run))), run);
  t.is(fresh({ weighting: 'min-snr', 'snr-gamma': '2' }).training.snrGamma, 2);
  const faults: [flags: Flags, message: RegExp][] = [
    [
      { objective: 'flow', weighting: 'min-snr' },
      /^--weighting: min-snr is for --objective epsilon/,
    ],
    [{ weighting: 'none', 'snr-gamma': '2' }, /^--snr-gamma: belongs to --weighting min-snr/],
    [{ weighting: 'min-snr', 'snr-gamma': '0' }, /^--snr-gamma: expected a number above 0, got 0$/],
    [{ objective: 'noise' }, /^--objective: expected one of epsilon, x0, v, flow, got noise/],
    [{ 'zero-terminal-snr': true }, /^--zero-terminal-snr: .* use --objective v or x0$/],
    [{ 'time-sampling': 'normal' }, /^--time-sampling: expected one of uniform, logit-normal/],
    [{ accumulate: '0' }, /^--accumulate: expected a whole number from 1/],
    [
      { grow: '16:0.5' },
      /^--grow: needs --steps, of which it gives shares; the length is given by --epochs$/,
    ],
    ...['16', '16:0', '16:1', '8:0.5,16:0.5', '16:0.5:1', '1.5:0.5', 'half', ','].map(
      (grow): [flags: Flags, message: RegExp] => [
        { ...unet2d, steps: '9', grow },
        /^--grow: expected sizes and shares of the steps, both increasing/,
      ],
    ),
    [
      { ...unet2d, steps: '9', grow: '16:0.2,8:0.5' },
      /^--grow: expected increasing sizes up to --size/,
    ],
    [
      { ...unet2d, steps: '9', grow: '32:0.5' },
      /^--grow: expected increasing sizes up to --size 32/,
    ],
    [{ ...unet2d, steps: '9', grow: '6:0.5' }, /^--grow: 6: .* multiple of 4; got 6$/],
    [
      { 'zero-init': true },
      /^--zero-init: belongs to --network unet2d and dit; the network is simple$/,
    ],
    [
      { ...unet2d, 'zero-init': true, init: 'w.safetensors' },
      /^--zero-init: --init already gives the weights/,
    ],
  ];
  for (const [flags, message] of faults) refused(t, () => fresh(flags), message);
  const resumed = (flags: Flags) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.deepEqual(resumed({ objective: 'v', weighting: 'min-snr' }), run);
  const changes: [flags: Flags, message: RegExp][] = [
    [{ objective: 'x0' }, /^--objective: the run in runs\/1 has v, got x0; /],
    [{ weighting: 'none' }, /^--weighting: the run in runs\/1 has min-snr, got none; /],
    [{ grow: '8:0.5' }, /^--grow: the run in runs\/1 has 8:0.5,16:0.75, got 8:0.5; /],
    [{ accumulate: '2' }, /^--accumulate: the run in runs\/1 has 4, got 2; /],
  ];
  for (const [flags, message] of changes) refused(t, () => resumed(flags), message);
});

test('invalid averages and decays are refused, and changes on a resume', (t) => {
  const faults: [flags: Flags, message: RegExp][] = [
    [{ ema: '1' }, /^--ema: expected 0 to 4 numbers from 0 and below 1 between commas, got 1$/],
    [{ ema: '0.9,-0.1' }, /^--ema: expected 0 to 4 numbers/],
    [{ ema: '0.1,0.2,0.3,0.4,0.5' }, /^--ema: expected 0 to 4 numbers/],
    [{ ema: '0.9,0.90' }, /^--ema: expected each decay once, got 0.9 twice$/],
    [{ decay: 'step' }, /^--decay: expected one of constant, linear, cosine, got step/],
    [{ 'decay-floor': '0.1' }, /^--decay-floor: belongs to --decay linear and cosine; the decay/],
    [{ decay: 'linear', 'decay-floor': '1.5' }, /^--decay-floor: expected a number from 0 to 1/],
    [{ warmup: '-1' }, /^--warmup: expected a whole number from 0/],
  ];
  for (const [flags, message] of faults) refused(t, () => fresh(flags), message);
  const run = fresh({ ema: '0.99', decay: 'cosine', warmup: '10' });
  const resumed = (flags: Flags) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.is(resumed({ ema: '0.99', steps: '9' }).training.steps, 9);
  refused(t, () => resumed({ ema: '0.9' }), /^--ema: the run in runs\/1 has 0.99, got 0.9; /);
  refused(t, () => resumed({ decay: 'linear' }), /^--decay: the run in runs\/1 has cosine, got/);
  refused(t, () => resumed({ warmup: '0' }), /^--warmup: the run in runs\/1 has 10, got 0; /);
});

test('programs give the same settings as flags', (t) => {
  t.deepEqual(
    runConfig({
      ...{ data: 'toy-cars', network: 'unet2d', widths: [16, 32], attention: [16], headDim: 'all' },
      ...{ optimizer: 'adamw', betas: [0.95, 0.999], clip: 1 },
    }),
    fresh({
      ...{ network: 'unet2d', widths: '16,32', attention: '16', 'head-dim': 'all' },
      ...{ optimizer: 'adamw', betas: '0.95,0.999', clip: '1' },
    }),
  );
});
