import test from 'ava';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { UsageError } from '../../src/errors.js';
import { close } from '../helpers/kernels.js';

const BETAS = { betaStart: 1e-4, betaEnd: 0.02 };
const schedule = makeSchedule({ schedule: 'linear', timesteps: 300, ...BETAS });

test('the ancestral sampler visits every timestep, from last to first', (t) => {
  const { kernel, timesteps, coefficients, width } = makeTrajectory(schedule, {
    sampler: 'ancestral',
  });
  t.is(kernel, 'pSample');
  t.deepEqual(
    [...timesteps],
    Array.from({ length: 300 }, (_, i) => 299 - i),
  );
  t.is(coefficients.length, 300 * width);
  const [recip, scale, sigma] = coefficients.subarray(width * 100, width * 101);
  close(
    t,
    [recip!, scale!, sigma!],
    [
      schedule.sqrtRecipAlphas[199]!,
      schedule.betas[199]! / schedule.sqrtOneMinusAlphaBar[199]!,
      Math.sqrt(schedule.posteriorVariance[199]!),
    ],
    { rtol: 2e-7 },
  );
  t.is(coefficients[299 * width + 2], 0, 'no noise at t = 0');
});

test('ddim visits evenly spaced timesteps from the last one', (t) => {
  const visited = (steps: number) => [
    ...makeTrajectory(schedule, { sampler: 'ddim', steps }).timesteps,
  ];
  t.deepEqual(visited(1), [299]);
  t.deepEqual(visited(3), [299, 199, 99]);
  t.deepEqual(visited(7), [299, 257, 214, 171, 128, 85, 42]);
  t.deepEqual(
    visited(300),
    Array.from({ length: 300 }, (_, i) => 299 - i),
  );
  for (let steps = 1; steps <= 300; steps++) t.is(new Set(visited(steps)).size, steps);
});

test('without eta, ddim adds no noise, and its last step returns the predicted image', (t) => {
  const { coefficients: c, width } = makeTrajectory(schedule, { sampler: 'ddim', steps: 50 });
  for (let row = 0; row < 50; row++) t.is(c[row * width + 4], 0);
  t.deepEqual([...c.subarray(49 * width + 2, 50 * width)], [1, 0, 0]);
});

test('ddim over all timesteps with eta 1 takes the steps of the ancestral sampler', (t) => {
  const a = makeTrajectory(schedule, { sampler: 'ancestral' }).coefficients;
  const d = makeTrajectory(schedule, { sampler: 'ddim', steps: 300, eta: 1 }).coefficients;
  for (let i = 0; i < 300; i++) {
    const [recip, scale, sigma] = a.subarray(3 * i, 3 * i + 3);
    const [bar, noise, signal, direction, ddimSigma] = d.subarray(5 * i, 5 * i + 5);
    const what = `step ${i}`;
    close(
      t,
      [signal! * bar!, direction! - signal! * bar! * noise!, ddimSigma!],
      [recip!, -recip! * scale!, sigma!],
      { atol: 3e-7, rtol: 1e-6, what },
    );
  }
});

test('the variance after a ddim step is that of its target timestep', (t) => {
  const { coefficients: c, timesteps } = makeTrajectory(schedule, {
    sampler: 'ddim',
    steps: 20,
    eta: 0.5,
  });
  for (let i = 0; i + 1 < 20; i++) {
    const [direction, sigma] = c.subarray(5 * i + 3, 5 * i + 5);
    const variance = 1 - schedule.exact.alphaBar[timesteps[i + 1]!]!;
    close(t, [direction! ** 2 + sigma! ** 2], [variance], { rtol: 1e-6 });
  }
});

test('multistep solvers refuse so many steps that two visit the same timestep', (t) => {
  const range = { betaStart: 1e-4, betaEnd: 0.02 };
  const schedule = makeSchedule({ schedule: 'linear', timesteps: 20, ...range });
  const refused = [
    { sampler: 'dpm++2m', spacing: 'leading', steps: 20 },
    { sampler: 'dpm++sde', spacing: 'leading', steps: 20 },
    { sampler: 'unipc', spacing: 'leading', steps: 20 },
    { sampler: 'unipc', spacing: 'linspace', steps: 20 },
  ] as const;
  for (const options of refused) {
    t.throws(() => makeTrajectory(schedule, options), {
      instanceOf: UsageError,
      message: /^--sample-steps: expected fewer steps, so that each .* 20 timesteps .*, got 20$/,
    });
    const { coefficients } = makeTrajectory(schedule, { ...options, steps: 19 });
    t.false(coefficients.some(Number.isNaN));
  }
});

test('settings that the sampler does not support are refused by name', (t) => {
  const wrong = (options: object, message: RegExp) =>
    t.throws(() => makeTrajectory(schedule, { sampler: 'ddim', ...options }), {
      instanceOf: UsageError,
      message,
    });
  for (const steps of [0, 301, 1.5]) wrong({ steps }, /--sample-steps: .* from 1 to 300, got/);
  for (const eta of [-1, 1.5, Number.NaN]) wrong({ eta }, /--eta: .* from 0 to 1, got/);
  wrong({ sampler: 'eular' }, /--sampler: expected one of ancestral, ddim, .*, got eular/);
});

test('every sampler ends at the first timestep with numbers for coefficients, with Karras levels too', (t) => {
  for (const kind of ['linear', 'cosine'] as const)
    for (const sampler of ['euler', 'heun', 'dpm++2m', 'dpm++3m', 'dpm++sde', 'unipc'] as const)
      for (const karras of [false, true])
        for (const steps of [2, 5, 20]) {
          const options = { sampler, karras, steps, lastAlpha: 'first' } as const;
          const of = makeSchedule({ ...{ schedule: kind, timesteps: 300 }, ...BETAS });
          const { coefficients } = makeTrajectory(of, options);
          t.false(coefficients.some(Number.isNaN), JSON.stringify([kind, options]));
        }
});
