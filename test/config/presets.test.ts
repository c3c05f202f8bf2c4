import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Args } from '../../src/config/args.js';
import type { RunConfig } from '../../src/config/config.js';
import { fittingGrowth } from '../../src/config/growth.js';
import { flagOf } from '../../src/config/network-fields.js';
import { completeModel } from '../../src/config/network-settings.js';
import { PRESET_NAMES, PRESETS, type Preset } from '../../src/config/presets.js';
import { parseRunConfig } from '../../src/config/read.js';
import { samplingFlagsOf, trainingFlagsOf } from '../../src/config/recipe-flags.js';
import { newRunConfig, resumedRunConfig } from '../../src/config/run-config.js';
import {
  readRunSampling,
  readSampling,
  SAMPLING_NAMES,
  samplingOfRun,
  usualSampling,
} from '../../src/config/sampling.js';
import { show } from '../../src/config/show.js';
import { OPTIMIZER_DEFAULTS } from '../../src/config/training.js';
import { UsageError } from '../../src/errors.js';
import { runConfig } from '../../src/index.js';
import { toDiffusers } from '../../src/network/diffusers-config.js';
import { temporaryFolder } from '../helpers/folder.js';

type Given = Record<string, string | boolean>;

const fresh = (flags: Given = {}): RunConfig => newRunConfig('toy-cars', new Args(flags));
const recipes = PRESET_NAMES.filter((name) => PRESETS[name].recipe.training);

/** What words on a command line give. */
function parsed(words: readonly string[]): Given {
  const given: Given = {};
  for (const [i, word] of words.entries()) {
    if (!word.startsWith('--')) continue;
    const next = words[i + 1];
    const negated = word.startsWith('--no-');
    given[word.replace(/^--(no-)?/, '')] =
      next === undefined || next.startsWith('--') ? !negated : next;
  }
  return given;
}

/** The flags of a preset's network. */
function networkFlags({ given: { kind, ...fields }, batch }: Preset): Given {
  const flags = Object.entries(fields).map(([name, value]) => [flagOf(kind, name), show(value)]);
  return { network: kind, batch: String(batch), ...Object.fromEntries(flags) };
}

for (const name of PRESET_NAMES)
  test(`--preset ${name} equals its flags`, (t) => {
    const { recipe, ...preset } = PRESETS[name] as Preset;
    const { sampling, ...run } = fresh({ preset: name });
    const flags = { ...networkFlags({ recipe, ...preset }), ...parsed(trainingFlagsOf(recipe)) };
    // A network may bring its own recipe's sampling.
    const { sampling: _, ...same } = fresh(flags);
    t.deepEqual(run, same);
    const drawn = new Args(parsed(samplingFlagsOf(sampling))).renamed(SAMPLING_NAMES);
    t.deepEqual(
      readSampling(drawn, run.diffusion),
      usualSampling({ ...run, ...(sampling && { sampling }) }),
    );
    t.deepEqual(sampling, recipe.sampling);
    t.notRegex(preset.about, /\n/);
  });

test('presets without a recipe only set a network and a batch', (t) => {
  for (const name of ['reference', 'small', 'tiny', 'unet2d-32', 'unet2d-64'] as const) {
    const run = fresh({ preset: name });
    t.false('sampling' in run);
    t.deepEqual(run.diffusion, fresh().diffusion);
    t.like(run.training, { ...OPTIMIZER_DEFAULTS, lr: 1e-3, epochs: 100, steps: null });
  }
});

test("a dit has its recipe's settings by default", (t) => {
  for (const run of [fresh({ preset: 'dit-32' }), fresh({ network: 'dit' })]) {
    t.deepEqual(run.model, PRESETS['dit-32'].model);
    t.like(run.training, { zeroInit: true, steps: 4800, batch: 32, optimizer: 'muon' });
  }
  t.false(fresh({ network: 'dit', 'zero-init': false }).training.zeroInit);
  t.false(fresh({ network: 'dit', init: 'weights.pt' }).training.zeroInit);
});

test('the warm-up of every recipe is a small part of its steps', (t) => {
  t.true(recipes.length >= 4);
  for (const name of recipes) {
    const { training } = fresh({ preset: name });
    t.is(training.epochs, null);
    t.true(training.steps! >= 10 * training.warmup, name);
  }
});

test('a flag overrides the preset, also in programs', (t) => {
  const run = fresh({
    ...{ preset: 'pictures-32', steps: '70', lr: '0.002', ema: 'none', clip: 'none' },
    ...{
      'zero-init': false,
      'keep-guide': 'none',
      batch: '16',
      timesteps: '500',
      schedule: 'linear',
      loss: 'huber',
    },
  });
  t.like(run.training, { steps: 70, lr: 0.002, clip: null, zeroInit: false, batch: 16 });
  t.is(run.training.keepGuide, null);
  t.deepEqual(run.training.ema, []);
  t.like(run.diffusion, { timesteps: 500, schedule: 'linear', loss: 'huber', objective: 'v' });
  t.deepEqual(
    runConfig({
      ...{ data: 'toy-cars', preset: 'pictures-32', steps: 70, lr: 0.002, ema: [], clip: 'none' },
      ...{
        zeroInit: false,
        keepGuide: 'none',
        batch: 16,
        timesteps: 500,
        schedule: 'linear',
        loss: 'huber',
      },
    }),
    run,
  );
  t.is(fresh({ preset: 'pictures-32', epochs: '3' }).training.steps, null);
});

test('preset settings that do not fit a flag are dropped', (t) => {
  const preset = 'pictures-32';
  const flow = fresh({ preset, objective: 'flow' });
  t.false('sampling' in flow);
  t.is(flow.diffusion.objective, 'flow');
  t.is(usualSampling(flow).sampler, 'flow-euler');
  t.like(fresh({ preset, optimizer: 'adam' }).training, { muonLr: null, weightDecay: 0 });
  t.is(fresh({ preset, decay: 'constant' }).training.decayFloor, 0);
  t.is(fresh({ preset, init: 'weights.pt' }).training.zeroInit, false);
  t.is(fresh({ preset, timesteps: '20' }).sampling?.steps, 20);
  const wide = fresh({ preset, widths: '30,60' }).model;
  t.deepEqual(wide, completeModel({ kind: 'unet2d', size: 32, widths: [30, 60], layers: 1 }));
  t.like(fresh({ preset, size: '64' }).model, { headDim: 32, groups: 8 });
  t.deepEqual(fresh({ preset, size: '64' }).model, {
    ...PRESETS[preset].model,
    size: 64,
  });
});

test('the stages of a recipe are dropped if they do not fit the settings, and a flag removes them', (t) => {
  const { model, training } = fresh({ preset: 'pictures-32' });
  const growing = { ...training, grow: '16:0.5' };
  t.is(fittingGrowth(model, growing, {}).grow, '16:0.5');
  t.is(fittingGrowth(model, { ...growing, steps: null, epochs: 3 }, {}).grow, null);
  t.is(fittingGrowth({ ...model, size: 16 }, growing, {}).grow, null);
  // Asked for, they are not left out, and refused where they cannot be.
  t.is(fittingGrowth({ ...model, size: 16 }, growing, { grow: '16:0.5' }).grow, '16:0.5');
  t.is(fresh({ preset: 'pictures-32', grow: 'none' }).training.grow, null);
  t.like(fresh({ minutes: '5', grow: '32:0.5' }).training, { grow: '32:0.5', epochs: null });
});

test('a flag that conflicts with the preset is refused, naming both', (t) => {
  const preset = 'pictures-32';
  const wrong: [flags: Given, message: RegExp][] = [
    [
      { 'beta-start': '0.001' },
      /^--beta-start: belongs to --schedule linear, scaled-linear or sigmoid; the schedule is cosine \(of --preset pictures-32\)$/,
    ],
    [{ network: 'simple' }, /^--network: --preset pictures-32 has unet2d, got simple$/],
    [{ norm: 'shared' }, /^--norm: belongs to --network simple; the network is unet2d$/],
    // Flags alone that cannot be, whatever the preset is.
    [{ optimizer: 'adam', 'muon-lr': '1' }, /^--muon-lr: belongs .*; the optimizer is adam$/],
    [{ objective: 'flow', weighting: 'min-snr' }, /^--weighting: min-snr is for .*, not flow$/],
  ];
  for (const [flags, message] of wrong)
    t.throws(() => fresh({ preset, ...flags }), { instanceOf: UsageError, message });
});

test("a network config replaces only the preset's network", async (t) => {
  const path = join(await temporaryFolder(t), 'config.json');
  const model = completeModel({ kind: 'unet2d', size: 16, widths: [16, 24], layers: 1 });
  if (model.kind !== 'unet2d') throw new Error('of another kind');
  writeFileSync(path, JSON.stringify(toDiffusers(model, 16)));
  const { model: _, ...rest } = fresh({ preset: 'pictures-32' });
  t.deepEqual(fresh({ preset: 'pictures-32', 'network-config': path }), { ...rest, model });
});

test('a resume may repeat its preset but not name another', (t) => {
  const run = fresh({ preset: 'pictures-32', steps: '9' });
  const resumed = (flags: Given) => resumedRunConfig('runs/1', run, undefined, new Args(flags));
  t.deepEqual(resumed({}), run);
  t.deepEqual(resumed({ preset: 'pictures-32' }), run);
  t.is(resumed({ preset: 'pictures-32', steps: '20' }).training.steps, 20);
  const wrong: [flags: Given, message: RegExp][] = [
    [
      { preset: 'pictures-64' },
      /^--size: the run in runs\/1 has 32, got 64 \(of --preset pictures-64\)/,
    ],
    [{ objective: 'flow' }, /^--objective: the run in runs\/1 has v, got flow; /],
    [{ decay: 'constant' }, /^--decay: the run in runs\/1 has linear, got constant; /],
  ];
  for (const [flags, message] of wrong)
    t.throws(() => resumed(flags), { instanceOf: UsageError, message });
  const other = fresh({ preset: 'pictures-32', lr: '0.01' });
  t.throws(
    () => resumedRunConfig('runs/1', other, undefined, new Args({ preset: 'pictures-32' })),
    {
      instanceOf: UsageError,
      message: /^--lr: the run in runs\/1 has 0\.01, got 0\.001 \(of --preset pictures-32\)/,
    },
  );
});

test("config.json keeps a run's sampling, and invalid values are refused with the name of the field", (t) => {
  const run = fresh({ preset: 'pictures-32' });
  const copy = () => JSON.parse(JSON.stringify(run)) as { sampling: Record<string, unknown> };
  t.deepEqual(parseRunConfig('c', copy()), run);
  const wrong: [field: string, value: unknown, message: RegExp][] = [
    ['sampler', 'ddmi', /^c\.sampling\.sampler: .*did you mean ddim/],
    ['steps', 1001, /^c\.sampling\.steps: expected a whole number from 1 to 1000, got 1001$/],
    ['eta', 2, /^c\.sampling\.eta: expected a number from 0 to 1, got 2$/],
    ['clamp', true, /^c\.sampling\.clamp: expected a number above 0, got true$/],
    ['step', 3, /^c\.sampling\.step: unknown field \(did you mean steps\?\)$/],
    [
      'sampler',
      'flow-euler',
      /^c: --sampler: flow-euler does not support a model of --objective v/,
    ],
    ['dynamicThreshold', 0.9, /^c\.sampling\.dynamicThreshold: clamps too/],
  ];
  for (const [field, value, message] of wrong) {
    const changed = copy();
    changed.sampling[field] = value;
    t.throws(() => parseRunConfig('c', changed), { instanceOf: UsageError, message });
  }
});

test("a run is sampled with its recipe's settings, and a flag overrides them", (t) => {
  const run = fresh({ preset: 'pictures-32' });
  const sampling = { sampler: 'ddim', eta: 1, steps: 50, spacing: 'linspace', clamp: 1 } as const;
  t.like(run.sampling, sampling);
  const drawn = (flags: Given) =>
    readSampling(new Args(flags).renamed(SAMPLING_NAMES), run.diffusion, samplingOfRun(run));
  t.deepEqual(drawn({}), { ...sampling, norm: 'running' });
  t.deepEqual(drawn({}), usualSampling(run));
  t.like(drawn({ 'sample-steps': '7', eta: '0' }), { sampler: 'ddim', steps: 7, eta: 0, clamp: 1 });
  t.false('clamp' in drawn({ clamp: false }));
  // Steps and noise were chosen for the recipe's sampler; its clamp is of the images.
  t.like(drawn({ sampler: 'dpm++2m' }), { steps: 20, eta: 0, clamp: 1 });
  t.deepEqual(usualSampling(fresh()), {
    ...{ sampler: 'ancestral', steps: 300, eta: 1, norm: 'running' },
  });
  t.deepEqual(readRunSampling(new Args({}), run.diffusion), {});
});
