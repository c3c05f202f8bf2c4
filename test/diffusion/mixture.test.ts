import test from 'ava';
import { drawPositions, mixture, quarterOf } from '../../src/diffusion/mixture.js';
import { OBJECTIVES, type Objective } from '../../src/diffusion/objective.js';
import { CounterRandom, PURPOSE } from '../../src/diffusion/random.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { close } from '../helpers/kernels.js';

const T = 100;
const of = (objective: Objective) =>
  makeSchedule({
    ...{ schedule: 'linear', timesteps: T, betaStart: 1e-4, betaEnd: 0.1 },
    objective,
  });
const POSITIONS = Int32Array.of(0, 30, 99);
const [x0, eps] = [0.7, -1.3];

/** ᾱ by its definition. */
const alphaBar = (t: number) =>
  Array.from({ length: t + 1 }, (_, i) => 1 - (1e-4 + (i * (0.1 - 1e-4)) / (T - 1))).reduce(
    (a, b) => a * b,
    1,
  );

test('x_t mixes image and noise by the schedule, and linearly for flow', (t) => {
  for (const objective of OBJECTIVES) {
    const flow = objective === 'flow';
    const positions = flow ? Float32Array.of(0, 0.3, 0.99) : POSITIONS;
    const { t: told, signal, noise } = mixture(of(objective), positions, null);
    const exact = [...positions].map((p) =>
      flow ? [1 - p, p] : [Math.sqrt(alphaBar(p)), Math.sqrt(1 - alphaBar(p))],
    );
    close(
      t,
      signal,
      exact.map(([a]) => a!),
      { atol: 1e-7, what: `signal of ${objective}` },
    );
    close(
      t,
      noise,
      exact.map(([, b]) => b!),
      { rtol: 1e-6, what: `noise of ${objective}` },
    );
    if (flow) close(t, told, [0, 300, 990], { rtol: 1e-6 });
    else t.deepEqual(told, POSITIONS);
  }
});

test('the target is the noise, the image, v or the velocity', (t) => {
  const targets = (objective: Objective) => {
    const flow = objective === 'flow';
    const { target } = mixture(
      of(objective),
      flow ? Float32Array.of(0.3) : Int32Array.of(30),
      null,
    );
    return target && target.signal[0]! * x0 + target.noise[0]! * eps;
  };
  const bar = alphaBar(30);
  t.is(targets('epsilon'), null);
  t.is(targets('x0'), x0);
  close(t, [targets('v')!], [Math.sqrt(bar) * eps - Math.sqrt(1 - bar) * x0], { atol: 1e-6 });
  t.is(targets('flow'), eps - x0);
});

test('min-SNR weights losses as in its paper, and by default losses are not weighted', (t) => {
  for (const gamma of [1, 5])
    for (const objective of ['epsilon', 'x0', 'v'] as const) {
      const { weights } = mixture(of(objective), POSITIONS, gamma);
      const expected = [...POSITIONS].map((position) => {
        const snr = alphaBar(position) / (1 - alphaBar(position));
        const least = Math.min(snr, gamma);
        return { epsilon: least / snr, x0: least, v: least / (snr + 1) }[objective];
      });
      close(t, weights!, expected, { rtol: 1e-6, what: objective });
      t.is(mixture(of(objective), POSITIONS, null).weights, null);
    }
});

test('positions are uniform, or concentrated in the middle', (t) => {
  const random = new CounterRandom(9);
  const stream = { purpose: PURPOSE.timestep, index: 4 };
  for (const flow of [false, true])
    for (const sampling of ['uniform', 'logit-normal'] as const) {
      const options = { timesteps: T, flow, sampling };
      const positions = drawPositions(random, stream, 20_000, options);
      t.deepEqual(drawPositions(random, stream, 20_000, options), positions);
      t.is(positions instanceof Int32Array, !flow);
      t.true(positions.every((p: number) => p >= 0 && p < (flow ? 1 : T)));
      const quarters = [0, 0, 0, 0];
      for (const p of positions) quarters[quarterOf(p, options)]!++;
      // P(sigmoid(z) < 1/4) = Φ(−ln 3) = 0.136; five standard deviations of a share are 0.018.
      const expected =
        sampling === 'uniform' ? [0.25, 0.25, 0.25, 0.25] : [0.136, 0.364, 0.364, 0.136];
      const shares = quarters.map((n) => n / positions.length);
      close(t, shares, expected, { atol: 0.018, what: `${flow} ${sampling}` });
    }
});

test('positions among given ones are these alone, each about as often', (t) => {
  const random = new CounterRandom(9);
  const stream = { purpose: PURPOSE.timestep, index: 4 };
  for (const flow of [false, true]) {
    const among = flow ? Float32Array.of(0.25, 0.5, 1) : Int32Array.of(99, 66, 33);
    const options = { timesteps: T, flow, sampling: 'uniform', among } as const;
    const positions = drawPositions(random, stream, 20_000, options);
    t.deepEqual(drawPositions(random, stream, 20_000, options), positions);
    t.is(positions instanceof Int32Array, !flow);
    const shares = Array.from(
      among,
      (at: number) => positions.filter((p: number) => p === at).length / 20_000,
    );
    close(t, shares, [1 / 3, 1 / 3, 1 / 3], { atol: 0.017, what: `${flow}` });
  }
});

test('uniform timesteps are unchanged from earlier versions', (t) => {
  const random = new CounterRandom(9);
  const options = { timesteps: T, flow: false, sampling: 'uniform' } as const;
  const stream = { purpose: PURPOSE.timestep, index: 4 };
  t.deepEqual(
    drawPositions(random, stream, 50, options),
    Int32Array.from(random.integers(PURPOSE.timestep, 4, 50, T)),
  );
});
