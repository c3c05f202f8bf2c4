import test from 'ava';
import { Args } from '../../src/config/args.js';
import { checkNorm, readSampling, SAMPLING_NAMES } from '../../src/config/sampling.js';
import { UsageError } from '../../src/errors.js';

type Given = Record<string, string | boolean>;

const sampling = (flags: Given, timesteps = 300) =>
  readSampling(new Args(flags).renamed(SAMPLING_NAMES), { timesteps });

test('the ancestral sampler takes all steps with running statistics by default', (t) => {
  t.deepEqual(sampling({}), { sampler: 'ancestral', steps: 300, eta: 1, norm: 'running' });
  t.is(sampling({ 'sample-steps': '300', bn: 'batch' }).norm, 'batch');
});

test('ddim takes 50 steps, fewer if there are fewer timesteps, or the requested number', (t) => {
  t.deepEqual(sampling({ sampler: 'ddim' }), {
    sampler: 'ddim',
    steps: 50,
    eta: 0,
    norm: 'running',
  });
  t.is(sampling({ sampler: 'ddim' }, 20).steps, 20);
  t.is(sampling({ sampler: 'ddim', 'sample-steps': '7', eta: '0.5' }).eta, 0.5);
});

test('a setting that the sampler does not have is refused with its flag', (t) => {
  const cases: [flags: Given, message: RegExp][] = [
    [{ eta: '0' }, /^--eta: belongs to --sampler ddim; the sampler is ancestral$/],
    [
      { sampler: 'ddim', 'sample-steps': '301' },
      /^--sample-steps: expected a whole number from 1 to 300, got 301$/,
    ],
    [{ sampler: 'ddim', eta: '1.1' }, /^--eta: expected a number from 0 to 1, got 1\.1$/],
    [
      { sampler: 'ddmi' },
      /^--sampler: expected one of ancestral, ddim, .*, got ddmi \(did you mean ddim\?\)$/,
    ],
    [{ bn: 'eval' }, /^--bn: expected one of running, batch, got eval$/],
  ];
  for (const [flags, message] of cases)
    t.throws(() => sampling(flags), { instanceOf: UsageError, message });
});

test('each sampler has its number of steps, and shows only settings that differ from its defaults', (t) => {
  t.deepEqual(sampling({ sampler: 'dpm++2m' }, 1000), {
    ...{ sampler: 'dpm++2m', steps: 20, eta: 0, norm: 'running' },
  });
  t.deepEqual(sampling({ sampler: 'euler', spacing: 'linspace', karras: true }, 1000), {
    ...{ sampler: 'euler', steps: 50, eta: 0, norm: 'running', karras: true },
  });
  t.like(sampling({ 'sample-steps': '20', spacing: 'trailing' }), {
    ...{ sampler: 'ancestral', steps: 20, spacing: 'trailing' },
  });
  t.like(sampling({ sampler: 'heun', 'dynamic-threshold': '0.995', 'threshold-max': '2' }), {
    ...{ dynamicThreshold: 0.995, thresholdMax: 2 },
  });
});

test('a flow network is sampled only along s', (t) => {
  const flow = (flags: Given) =>
    readSampling(new Args(flags).renamed(SAMPLING_NAMES), { timesteps: 300, objective: 'flow' });
  t.deepEqual(flow({}), { sampler: 'flow-euler', steps: 50, eta: 0, norm: 'running' });
  t.is(flow({ 'sample-steps': '1000' }).steps, 1000);
  t.is(flow({ sampler: 'unipc', shift: '3' }).shift, 3);
  t.deepEqual(flow({ sampler: 'heun' }), { sampler: 'heun', steps: 25, eta: 0, norm: 'running' });
  const wrong: [flags: Given, message: RegExp][] = [
    [
      { sampler: 'ddim' },
      /^--sampler: ddim does not support a model of --objective flow; expected euler, heun, dpm/,
    ],
    [
      { sampler: 'dpm++2m', karras: true },
      /^--karras: not supported for a model of --objective flow$/,
    ],
    [{ spacing: 'leading' }, /^--spacing: expected even or linspace .* flow, got leading$/],
    [{ shift: '0' }, /^--shift: expected a number above 0, got 0$/],
  ];
  for (const [flags, message] of wrong)
    t.throws(() => flow(flags), { instanceOf: UsageError, message });
});

test('BatchNorm by the batch is refused for a network without', (t) => {
  const bn = (norm: string, kind: 'simple' | 'unet2d') =>
    checkNorm(new Args({ bn: norm }).renamed(SAMPLING_NAMES), { kind });
  t.throws(() => bn('batch', 'unet2d'), {
    instanceOf: UsageError,
    message: '--bn: belongs to --network simple; a unet2d has no BatchNorm',
  });
  t.notThrows(() => bn('running', 'unet2d'));
  t.notThrows(() => bn('batch', 'simple'));
});

test("Euler's noise levels of Karras follow a spacing", (t) => {
  t.like(sampling({ sampler: 'euler', karras: true, spacing: 'trailing' }), {
    ...{ karras: true, spacing: 'trailing' },
  });
});

test('conflicting settings are refused', (t) => {
  const wrong: [flags: Given, message: RegExp][] = [
    [
      { sampler: 'flow-euler' },
      /^--sampler: flow-euler does not support a model of --objective epsilon/,
    ],
    [
      { sampler: 'unipc', shift: '2' },
      /^--shift: not supported for a model of --objective epsilon$/,
    ],
    [{ karras: true }, /^--karras: belongs to --sampler euler, euler-a, heun, .*; the sampler is/],
    [
      { order: '3', sampler: 'dpm++3m' },
      /^--order: belongs to --sampler unipc; the sampler is dpm/,
    ],
    [{ order: '4', sampler: 'unipc' }, /^--order: expected a whole number from 1 to 3, got 4$/],
    [
      { 'solver-type': 'bh3', sampler: 'unipc' },
      /^--solver-type: expected one of bh1, bh2, got bh3/,
    ],
    [{ variance: 'large', sampler: 'euler' }, /^--variance: belongs to --sampler ancestral; /],
    [{ 'dynamic-threshold': '0.9', clamp: true }, /^--dynamic-threshold: clamps too/],
    [{ 'threshold-max': '2' }, /^--threshold-max: belongs to --dynamic-threshold, which is off/],
    [{ 'dynamic-threshold': '0' }, /^--dynamic-threshold: expected .* above 0 .* 1, got 0$/],
    [
      { sampler: 'dpm++2m', karras: true, spacing: 'trailing' },
      /^--spacing: the noise levels of --karras do not follow a spacing with dpm\+\+2m$/,
    ],
  ];
  for (const [flags, message] of wrong)
    t.throws(() => sampling(flags), { instanceOf: UsageError, message });
});
