import test from 'ava';
import { type Cluster, expectedMaximum, roundCost } from '../../src/train/round-model.js';

const cluster: Cluster = {
  ...{ workers: 4, replicas: 4, parameters: 1e6, averages: 0, steps: 10, stepSeconds: 0.5 },
  ...{ spread: 0, workerLink: 1e6, redisLink: 1e9, coordinatorLink: 1e6, averageSeconds: 0.01 },
};

const near = (got: number, expected: number) => Math.abs(got - expected) < 1e-9 * expected;

test('a round without stragglers takes the computing time and the transfer over the narrowest link', (t) => {
  const cost = roundCost(cluster);
  t.is(cost.compute, 5);
  // 4 MB of weights, 8 MB of moments.
  t.true(near(cost.upload, 4));
  t.true(near(cost.load, 12));
  t.true(near(cost.send, 12));
  t.true(near(cost.download, 48));
  t.true(near(cost.average, 0.04));
  t.true(near(cost.total, 4 + 12 + 5 + 12 + 48 + 0.04));
  t.is(cost.bytes, 4e6 + 4 * 12e6 + 2 * 4 * 12e6);
  t.true(near(cost.efficiency, 5 / cost.total));
});

test("all workers share Redis's link, and fewer workers than replicas take turns", (t) => {
  const narrow = roundCost({ ...cluster, workers: 400, replicas: 400, redisLink: 2e6 });
  t.true(near(narrow.load, (400 * 12e6) / 2e6));
  t.true(near(narrow.download, 400 * 12));
  const few = roundCost({ ...cluster, workers: 3 });
  t.is(few.compute, 10, 'one of three has two of four replicas');
  t.true(near(few.load, 4 + 2 * 8), 'the weights once, moments of each');
  t.is(roundCost({ ...cluster, workers: 100 }).compute, 5, 'more workers than replicas are idle');
});

test('the cost of stragglers grows with the number of workers, and is zero for one', (t) => {
  const of = (n: number) => roundCost({ ...cluster, spread: 0.1, workers: n, replicas: n }).compute;
  t.is(of(1), 5);
  t.true(of(10) > of(2) && of(100) > of(10) && of(1000) > of(100));
  // Tables of normal order statistics: 1.5388 of 10, 2.5076 of 100, 3.2414 of 1000.
  for (const [n, expected] of [
    [10, 1.5388],
    [100, 2.5076],
    [1000, 3.2414],
  ] as const)
    t.true(
      Math.abs(expectedMaximum(n) - expected) < 0.08 * expected,
      `${n}: ${expectedMaximum(n)}`,
    );
});
