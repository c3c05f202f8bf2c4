import test from 'ava';
import { type UnipcOptions, unipcRows } from '../../../src/diffusion/solvers/unipc.js';

/** Moments by equal steps of λ, from −3 to 3 with α² + σ² = 1. */
const moments = (steps: number) =>
  Array.from({ length: steps + 1 }, (_, i) => {
    const lambda = -3 + (6 * i) / steps;
    const alpha = 1 / Math.sqrt(1 + Math.exp(-2 * lambda));
    return { t: steps - i, alpha, sigma: alpha * Math.exp(-lambda) };
  });

/** How far a walk is off at the end where the network foresees cos λ: x_t/σ_t is the integral of e^λ·cos λ. */
function error(steps: number, options: Pick<UnipcOptions, 'order' | 'solverType'>): number {
  const path = moments(steps);
  const rows = unipcRows({ objective: 'x0', moments: path }, { ...options, lowerFinal: false });
  const lambda = (i: number) => -3 + (6 * i) / steps;
  const exact = (l: number) => (Math.exp(l) * (Math.cos(l) + Math.sin(l))) / 2;
  const past: number[] = [];
  let x = path[0]!.sigma * exact(-3);
  for (const [i, row] of rows.entries()) {
    past.unshift(Math.cos(lambda(i)));
    const { x0, earlier = 0, earliest = 0, oldest = 0 } = row;
    const images = [x0, earlier, earliest, oldest];
    x = row.x * x + images.reduce((sum, w, n) => sum + (w === 0 ? 0 : w * past[n]!), 0);
  }
  const end = path.at(-1)!;
  return Math.abs(x - end.sigma * exact(3));
}

for (const solverType of ['bh1', 'bh2'] as const)
  for (const order of [1, 2, 3] as const)
    test(`halving the steps of unipc, ${solverType} of order ${order}, divides the error by 2^${order} at least`, (t) => {
      const [coarse, fine] = [100, 200].map((steps) => error(steps, { order, solverType }));
      t.true(fine! > 0);
      t.true(coarse! / fine! > 0.9 * 2 ** order, `${coarse} ${fine}`);
    });

test('unipc of order 3 stays accurate over thousands of small steps', (t) => {
  t.true(error(5000, { order: 3, solverType: 'bh2' }) < 1e-9);
});

test('third-order unipc uses three earlier images, second-order two', (t) => {
  const furthest = (order: 1 | 2 | 3) => {
    const rows = unipcRows(
      { objective: 'v', moments: moments(8) },
      { order, solverType: 'bh2', lowerFinal: true },
    );
    return [
      rows.some((row) => row.earlier),
      rows.some((row) => row.earliest),
      rows.some((row) => row.oldest),
    ];
  };
  t.deepEqual(furthest(1), [true, false, false]);
  t.deepEqual(furthest(2), [true, true, false]);
  t.deepEqual(furthest(3), [true, true, true]);
});
