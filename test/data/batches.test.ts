import test from 'ava';
import { type BatchOptions, BatchPlan } from '../../src/data/batches.js';
import { UsageError } from '../../src/errors.js';

const OPTIONS: BatchOptions = { count: 103, batch: 10, seed: 7, timesteps: 300, flip: true };
const steps = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

test('an epoch has each image at most once, and leaves out different ones each time', (t) => {
  const plan = new BatchPlan(OPTIONS);
  t.is(plan.stepsPerEpoch, 10);
  const leftOut = [0, 1, 2, 3].map((epoch) => {
    const shown = steps(10 * epoch, 10 * epoch + 10).flatMap((s) => [...plan.indices(s)]);
    t.is(new Set(shown).size, 100, `epoch ${epoch}: an image comes twice`);
    t.true(
      shown.every((i) => i < 103),
      `epoch ${epoch}: ${shown}`,
    );
    return steps(0, 103).filter((i) => !shown.includes(i));
  });
  // Three of 103, chosen anew in each: two epochs agree by chance in one of 30,000 seeds.
  t.is(new Set(leftOut.map(String)).size, 4);
});

test('steps know their epoch', (t) => {
  const plan = new BatchPlan(OPTIONS);
  t.deepEqual(
    [0, 9, 10, 25].map((s) => plan.batch(s).epoch),
    [0, 0, 1, 2],
  );
});

test('a step does not depend on earlier requests, so a resume equals an uninterrupted run', (t) => {
  const whole = new BatchPlan(OPTIONS);
  const batches = steps(0, 40).map((s) => whole.batch(s));
  for (const step of [39, 3, 12, 11, 25, 0])
    t.deepEqual(new BatchPlan(OPTIONS).batch(step), batches[step]!);
  for (const step of [39, 3, 12]) t.deepEqual(whole.batch(step), batches[step]!);
});

test('each seed and step gives a different batch', (t) => {
  const one = new BatchPlan(OPTIONS);
  const other = new BatchPlan({ ...OPTIONS, seed: 8 });
  t.notDeepEqual(one.batch(0).indices, other.batch(0).indices);
  t.notDeepEqual(one.batch(0).t, other.batch(0).t);
  t.notDeepEqual(one.batch(0).t, one.batch(1).t);
});

test('half of the images are mirrored, or none', (t) => {
  const plan = new BatchPlan({ ...OPTIONS, count: 1000, batch: 1000 });
  const { flips } = plan.batch(3);
  t.true(flips.every((f) => f === 0 || f === 1));
  const mirrored = flips.reduce((a, b) => a + b, 0);
  // Five standard deviations of a fair coin.
  t.true(Math.abs(mirrored - 500) < 80, `${mirrored} of 1000`);
  t.notDeepEqual(plan.batch(4).flips, flips);
  const never = new BatchPlan({ ...OPTIONS, flip: false }).batch(3);
  t.deepEqual(never.flips, new Uint32Array(10));
});

test('timesteps cover [0, T) evenly', (t) => {
  const plan = new BatchPlan({ ...OPTIONS, count: 6000, batch: 6000, timesteps: 6 });
  const counts = new Uint32Array(6);
  for (const value of plan.batch(0).t) counts[value]!++;
  // Five standard deviations of 1000 ± √(6000·1/6·5/6).
  for (const [value, count] of counts.entries())
    t.true(Math.abs(count - 1000) < 145, `t = ${value}: ${count} times`);
  t.is(
    counts.reduce((a, b) => a + b, 0),
    6000,
  );
});

test('fewer images than a batch are refused with both numbers', (t) => {
  const error = t.throws(() => new BatchPlan({ ...OPTIONS, count: 9 }), { instanceOf: UsageError });
  t.is(error.message, '--batch: expected at most 9, the number of images in the data, got 10');
  t.is(new BatchPlan({ ...OPTIONS, count: 10 }).stepsPerEpoch, 1);
});
