import test from 'ava';
import {
  type LossMoment,
  type LossWeighting,
  lossWeightAt,
  makeLossWeights,
} from '../../src/diffusion/loss-weights.js';
import { mixture } from '../../src/diffusion/mixture.js';
import { OBJECTIVES, type Objective } from '../../src/diffusion/objective.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { UsageError } from '../../src/errors.js';

const of = (objective: Objective, timesteps = 50) =>
  makeSchedule({
    ...{ schedule: 'linear', timesteps, betaStart: 1e-4, betaEnd: 0.1 },
    objective,
  });

test('a weighting function is called once per timestep, with ᾱ and the signal-to-noise ratio', (t) => {
  for (const objective of OBJECTIVES) {
    const seen: LossMoment[] = [];
    const schedule = of(objective);
    const table = makeLossWeights(
      'w',
      (moment) => {
        seen.push(moment);
        return moment.t / 7;
      },
      schedule,
    );
    const count = objective === 'flow' ? 1001 : 50;
    t.is(seen.length, count);
    t.deepEqual(
      table,
      Array.from({ length: count }, (_, i) => i / 7),
    );
    const { alphaBar, snr } = seen[20]!;
    const bar = objective === 'flow' ? 0.98 ** 2 : schedule.exact.alphaBar[20]!;
    t.is(alphaBar, bar);
    const expected = objective === 'flow' ? (0.98 / 0.02) ** 2 : bar / (1 - bar);
    t.true(Math.abs(snr / expected - 1) < 1e-12);
  }
});

test('min-SNR written as a function gives the same bits as min-SNR', (t) => {
  const by: Record<'epsilon' | 'x0' | 'v', LossWeighting> = {
    epsilon: ({ snr }) => Math.min(snr, 5) / snr,
    x0: ({ snr }) => Math.min(snr, 5),
    v: ({ snr }) => Math.min(snr, 5) / (snr + 1),
  };
  const positions = Int32Array.from({ length: 50 }, (_, i) => i);
  for (const objective of ['epsilon', 'x0', 'v'] as const) {
    const schedule = of(objective);
    const table = makeLossWeights('w', by[objective], schedule);
    t.deepEqual(
      mixture(schedule, positions, table).weights,
      mixture(schedule, positions, 5).weights,
    );
  }
});

test('for flow, a weight between two entries is interpolated linearly', (t) => {
  const schedule = of('flow');
  const table = makeLossWeights('w', ({ t: time }) => time * 2, schedule);
  for (const s of [0, 0.25, 0.70005, 0.9999]) {
    const got = lossWeightAt(table, schedule, s);
    t.true(Math.abs(got - 2000 * s) < 1e-9, `${s}: ${got}`);
  }
  const { weights } = mixture(schedule, Float32Array.of(0.25, 0.5), table);
  t.deepEqual([...weights!], [500, 1000]);
});

test('invalid weights are refused with their timestep', (t) => {
  const wrong: [LossWeighting, RegExp, number?][] = [
    [({ t: time }) => (time === 17 ? Number.NaN : 1), /^w: .* 0 or more, got NaN for timestep 17$/],
    [() => -1, /got -1 for timestep 0$/],
    [() => 1e39, /got 1e\+39 for timestep 0$/],
    [() => 'much' as unknown as number, /got much for timestep 0$/],
    [() => 0, /^w: expected a weight above 0 for some timestep, got none$/],
    [() => 1, /^w: expected at most 10000 timesteps .*, got 10001$/, 10_001],
  ];
  for (const [weighting, message, timesteps] of wrong)
    t.throws(() => makeLossWeights('w', weighting, of('v', timesteps)), {
      instanceOf: UsageError,
      message,
    });
});
