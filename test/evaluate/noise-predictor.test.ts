import test from 'ava';
import { OBJECTIVES } from '../../src/diffusion/objective.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { noisePredictor } from '../../src/evaluate/noise-predictor.js';
import { values } from '../helpers/kernels.js';

const schedule = makeSchedule({
  ...{ schedule: 'cosine', timesteps: 50, betaStart: 1e-4, betaEnd: 0.02 },
});
const t = Int32Array.of(0, 17, 49);
const EACH = 6;

/** x_0, ε and the x_t they make, one after the other. */
const x0 = values(t.length * EACH, 1);
const noise = values(t.length * EACH, 2);
const alphaOf = (i: number) => schedule.exact.sqrtAlphaBar[t[Math.floor(i / EACH)]!]!;
const sigmaOf = (i: number) => schedule.exact.sqrtOneMinusAlphaBar[t[Math.floor(i / EACH)]!]!;
const xt = x0.map((x, i) => alphaOf(i) * x + sigmaOf(i) * noise[i]!);

/** What a network that knows everything predicts. */
const TRUTH = {
  epsilon: (i: number) => noise[i]!,
  x0: (i: number) => x0[i]!,
  v: (i: number) => alphaOf(i) * noise[i]! - sigmaOf(i) * x0[i]!,
};

for (const objective of OBJECTIVES.filter((name) => name !== 'flow'))
  test(`The noise follows from the prediction of a ${objective} network, at each image's own timestep`, async (t_) => {
    const predict = noisePredictor(schedule, objective, async () =>
      Float32Array.from(noise, (_, i) => TRUTH[objective](i)),
    );
    const epsilon = await predict(Float32Array.from(xt), t, t);
    // Where little noise was added, x_t as f32 says little of it.
    epsilon.forEach((value, i) => {
      t_.true(Math.abs(value - noise[i]!) < 1e-6 / sigmaOf(i), `${value} for ${noise[i]}`);
    });
  });
