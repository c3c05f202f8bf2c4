import test from 'ava';
import { Args } from '../../src/config/args.js';
import { readSampling, SAMPLING_NAMES } from '../../src/config/sampling.js';
import { UsageError } from '../../src/errors.js';

const sampling = (flags: Record<string, string>, timesteps = 300) =>
  readSampling(new Args(flags).renamed(SAMPLING_NAMES), timesteps);

test('the ancestral sampler takes every step, by running statistics', (t) => {
  t.deepEqual(sampling({}), { sampler: 'ancestral', steps: 300, eta: 1, norm: 'running' });
  t.is(sampling({ 'sample-steps': '300', bn: 'batch' }).norm, 'batch');
});

test('ddim takes 50 steps, fewer where there are fewer, or as many as asked for', (t) => {
  t.deepEqual(sampling({ sampler: 'ddim' }), {
    sampler: 'ddim',
    steps: 50,
    eta: 0,
    norm: 'running',
  });
  t.is(sampling({ sampler: 'ddim' }, 20).steps, 20);
  t.is(sampling({ sampler: 'ddim', 'sample-steps': '7', eta: '0.5' }).eta, 0.5);
});

test('what a sampler does not have is refused by its flag', (t) => {
  const cases: [flags: Record<string, string>, message: RegExp][] = [
    [
      { 'sample-steps': '50' },
      /^--sample-steps: the ancestral sampler takes all 300 steps, got 50/,
    ],
    [{ eta: '0' }, /^--eta: belongs to --sampler ddim; the sampler is ancestral$/],
    [
      { sampler: 'ddim', 'sample-steps': '301' },
      /^--sample-steps: expected a whole number from 1 to 300, got 301$/,
    ],
    [{ sampler: 'ddim', eta: '1.1' }, /^--eta: expected a number from 0 to 1, got 1\.1$/],
    [
      { sampler: 'ddmi' },
      /^--sampler: expected one of ancestral, ddim, got ddmi \(did you mean ddim\?\)$/,
    ],
    [{ bn: 'eval' }, /^--bn: expected one of running, batch, got eval$/],
  ];
  for (const [flags, message] of cases)
    t.throws(() => sampling(flags), { instanceOf: UsageError, message });
});
