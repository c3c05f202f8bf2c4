import test from 'ava';
import { ReverseWalk } from '../../src/diffusion/reverse-walk.js';
import { makeTrajectory, type SamplerOptions } from '../../src/diffusion/sampler.js';
import { makeSchedule } from '../../src/diffusion/schedule.js';
import { Arithmetic } from '../../src/engine/arithmetic.js';
import { close, values } from '../helpers/kernels.js';

const schedule = makeSchedule({
  ...{ schedule: 'linear', timesteps: 100, betaStart: 1e-4, betaEnd: 0.02, objective: 'flow' },
});
const START = values(24, 3);

/** A velocity that is no straight line. */
const velocity = (x: number, s: number) => Math.sin(3 * x) + x * s - s ** 2;

function drawn(options: SamplerOptions): { x: Float32Array; asked: number } {
  const trajectory = makeTrajectory(schedule, options);
  const walk = new ReverseWalk(trajectory, new Arithmetic(), START, 24);
  for (const [step, time] of trajectory.timesteps.entries())
    walk.step(
      step,
      walk.x.map((x) => velocity(x, time / 1000)),
    );
  return { x: walk.x, asked: walk.steps };
}

/** dx/ds from s = 1 to 0 in equal parts, of first or second order; the last part is Euler's. */
const solved = (steps: number, order: 1 | 2): number[] =>
  Array.from(START, (start) => {
    let x = start;
    for (let i = 0; i < steps; i++) {
      const [s, next] = [1 - i / steps, 1 - (i + 1) / steps];
      const first = velocity(x, s);
      const second =
        order === 1 || i + 1 === steps ? first : velocity(x + (next - s) * first, next);
      x += ((next - s) * (first + second)) / 2;
    }
    return x;
  });

test('for flow, heun averages two slopes along s, and euler takes one', (t) => {
  for (const steps of [1, 2, 7]) {
    const heun = drawn({ sampler: 'heun', steps });
    // f32 of a dozen steps of numbers around 1.
    close(t, heun.x, solved(steps, 2), { atol: 2e-6, what: `heun, ${steps}` });
    t.is(heun.asked, 2 * steps - 1);
    const euler = drawn({ sampler: 'euler', steps });
    close(t, euler.x, solved(steps, 1), { atol: 2e-6, what: `euler, ${steps}` });
    t.deepEqual(euler.x, drawn({ sampler: 'flow-euler', steps }).x);
  }
});

test('heun is more accurate than euler with the same number of evaluations', (t) => {
  const exact = solved(4000, 2);
  const off = (x: Float32Array) => x.reduce((sum, v, i) => sum + Math.abs(v - exact[i]!), 0);
  const heun = drawn({ sampler: 'heun', steps: 16 });
  const euler = drawn({ sampler: 'euler', steps: 31 });
  t.is(heun.asked, euler.asked);
  t.true(off(heun.x) < off(euler.x) / 3, `${off(heun.x)} and ${off(euler.x)}`);
});
