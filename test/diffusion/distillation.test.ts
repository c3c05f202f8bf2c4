import test from 'ava';
import {
  distilledWeights,
  planDistillation,
  type TaughtStep,
} from '../../src/diffusion/distillation.js';
import type { Objective } from '../../src/diffusion/objective.js';
import { makeTrajectory } from '../../src/diffusion/sampler.js';
import { makeSchedule, type Schedule } from '../../src/diffusion/schedule.js';
import { UsageError } from '../../src/errors.js';

const scheduleOf = (objective: Objective, timesteps = 100): Schedule =>
  makeSchedule({
    ...{ timesteps, schedule: 'cosine', betaStart: 1e-4, betaEnd: 0.02, objective },
  });

/** x̂_0 = clamp(a·x + b·m); x' = c·x + d·x̂_0 + h·m, in f64. */
function take({ row }: Pick<TaughtStep, 'row'>, x: number, m: number): number {
  const [a = 0, b = 0, range = 0, c = 0, d = 0, h = 0] = row;
  const x0 = Math.min(range, Math.max(-range, a * x + b * m));
  return c * x + d * x0 + h * m;
}

for (const objective of ['x0', 'v', 'flow'] as const) {
  test(`${objective}: a student's step begins where one of the teacher's does, and all of both are there`, (t) => {
    const schedule = scheduleOf(objective);
    const plan = planDistillation(schedule, { steps: 3, teacherSteps: 12 });
    const sampler = objective === 'flow' ? 'flow-euler' : 'ddim';
    const own = makeTrajectory(schedule, { sampler, steps: 3 });
    const teachers = makeTrajectory(schedule, { sampler, steps: 12 });
    t.deepEqual(
      plan.taught.map(([first]) => first!.t),
      [...own.timesteps],
    );
    t.deepEqual(
      plan.taught.flat().map(({ t: time }) => time),
      [...teachers.timesteps],
    );
    const rows = plan.taught.flat().flatMap(({ row }) => [...row]);
    t.deepEqual(rows, [...teachers.coefficients]);
    t.deepEqual(
      [...plan.positions].map((at) => (objective === 'flow' ? Math.fround(1000 * at) : at)),
      [...own.timesteps].map(Math.fround),
    );
  });

  test(`${objective}: the target takes the student's sampler to where the teacher is`, (t) => {
    const schedule = scheduleOf(objective);
    const plan = planDistillation(schedule, { steps: 4, teacherSteps: 20 });
    const sampler = objective === 'flow' ? 'flow-euler' : 'ddim';
    const { coefficients, width } = makeTrajectory(schedule, { sampler, steps: 4 });
    for (let step = 0; step < 4; step++) {
      const x = Math.sin(step + 1);
      let end = x;
      for (const [i, own] of plan.taught[step]!.entries())
        end = take(own, end, Math.cos(3 * i + step));
      const target = plan.end[step]! * end + plan.start[step]! * x;
      const row = coefficients.subarray(step * width, (step + 1) * width);
      const reached = take({ row }, x, target);
      t.true(Math.abs(reached - end) < 1e-5, `step ${step}: ${reached}, ${end}`);
    }
  });
}

test('timesteps are nested for any number that steps do not divide', (t) => {
  for (const timesteps of [97, 100, 1000])
    for (const [steps, each] of [
      [1, 2],
      [3, 5],
      [7, 3],
    ] as const) {
      const schedule = scheduleOf('v', timesteps);
      const plan = planDistillation(schedule, { steps, teacherSteps: steps * each });
      t.deepEqual(
        plan.taught.map(([first]) => first!.t),
        [...plan.positions],
      );
      t.true(plan.taught.every(({ length }) => length === each));
    }
});

test('the clamp is the teacher’s, and by default there is none', (t) => {
  const schedule = scheduleOf('v');
  const clamped = planDistillation(schedule, { steps: 2, teacherSteps: 4, clamp: 1 });
  t.true(clamped.taught.flat().every(({ row }) => row[2] === 1));
  const free = planDistillation(schedule, { steps: 2, teacherSteps: 4 });
  t.true(free.taught.flat().every(({ row }) => row[2] === Number.POSITIVE_INFINITY));
});

test('the loss is that on v: x̂_0 counts SNR + 1', (t) => {
  const schedule = scheduleOf('x0');
  const weights = distilledWeights(schedule)!;
  for (const [at, weight] of weights.entries()) {
    const bar = schedule.exact.alphaBar[at]!;
    const snr = bar / (1 - bar);
    t.true(Math.abs(weight / (snr + 1) - 1) < 1e-9);
  }
  t.is(distilledWeights(scheduleOf('v')), null);
  t.is(distilledWeights(scheduleOf('flow')), null);
});

test('a model that predicts noise is refused', (t) => {
  const error = t.throws(
    () => planDistillation(scheduleOf('epsilon'), { steps: 2, teacherSteps: 4 }),
    { instanceOf: UsageError },
  );
  t.is(
    error?.message,
    '--teacher: expected a model with --objective v, x0 or flow, got epsilon: the noise in pure noise does not tell the image',
  );
});
