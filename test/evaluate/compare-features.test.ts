import test from 'ava';
import { CounterRandom } from '../../src/diffusion/random.js';
import { Breath } from '../../src/evaluate/breath.js';
import { compareFeatures, type PairOptions } from '../../src/evaluate/compare-features.js';
import type { Rows } from '../../src/evaluate/pairs.js';
import { featureFixture } from '../helpers/evaluation.js';

const OPTIONS: PairOptions = { subsets: 40, subsetSize: 50, neighbours: 3 };

const compare = (a: Rows, b: Rows, options = OPTIONS, seed = 0) =>
  compareFeatures(a, b, options, new CounterRandom(seed), new Breath());

test("Kernel distance, precision and recall match PyTorch's", async (t) => {
  const { rows, expected } = await featureFixture();
  for (const [a, b] of [['a', 'b'] as const, ['few', 'b'] as const, ['a', 'a'] as const]) {
    const { kernel, coverage } = await compare(rows(a), rows(b));
    const [, kid, precision, recall] = expected(`${a}_${b}`);
    // Of sums of some ten, the expected value was kept in f32.
    t.true(Math.abs(kernel.all - kid!) < 1e-5 * Math.abs(kid!) + 1e-5, `${kernel.all} ${kid}`);
    t.true(Math.abs(coverage.precision - precision!) < 1e-6, `${coverage.precision}`);
    t.true(Math.abs(coverage.recall - recall!) < 1e-6, `${coverage.recall}`);
  }
});

/** The rows of some indices. */
const some = ({ features, data }: Rows, indices: readonly number[]): Rows => ({
  count: indices.length,
  features,
  data: Float32Array.from(
    indices.flatMap((i) => [...data.subarray(i * features, (i + 1) * features)]),
  ),
});

test('Subsets as large as the sets give the distance of the whole sets, without deviation', async (t) => {
  const { rows } = await featureFixture();
  const [a, b] = [
    rows('a'),
    some(
      rows('b'),
      Array.from({ length: 90 }, (_, i) => i),
    ),
  ];
  const { kernel } = await compare(a, b, { ...OPTIONS, subsetSize: 1000 });
  t.is(kernel.subsetSize, 90);
  t.true(Math.abs(kernel.mean - kernel.all) < 1e-10 * kernel.all);
  t.true(kernel.deviation < 1e-10 * kernel.all);
});

test('Subsets vary around the distance of the whole sets, and depend only on the seed', async (t) => {
  const { rows } = await featureFixture();
  const first = await compare(rows('a'), rows('b'));
  const again = await compare(rows('a'), rows('b'));
  const other = await compare(rows('a'), rows('b'), OPTIONS, 1);
  t.deepEqual(first, again);
  t.not(first.kernel.mean, other.kernel.mean);
  t.is(first.kernel.all, other.kernel.all);
  const { mean, all, deviation } = first.kernel;
  // The mean of 40 subsets, which share images, lies within a deviation of what they estimate.
  t.true(deviation > 0 && Math.abs(mean - all) < deviation, `${mean} ±${deviation}, ${all}`);
});

test('Precision measures samples within the reference, and recall the reference that samples cover', async (t) => {
  const line = (values: readonly number[]): Rows => ({
    count: values.length,
    features: 1,
    data: Float32Array.from(values),
  });
  const reference = line([0, 1, 2, 3, 4, 100, 101, 102, 103, 104]);
  const { coverage } = await compare(line([1.5, 2.5, 2, 3, 1]), reference);
  t.is(coverage.precision, 1);
  // Balls of the samples reach from 2 − 1.. to 3 + 1: the five to the left but not those to the right.
  t.is(coverage.recall, 0.5);
});

test('Progress is reported to the end', async (t) => {
  const { rows } = await featureFixture();
  const told: [number, number][] = [];
  const { count: n } = rows('a');
  const { count: m } = rows('b');
  await compareFeatures(
    rows('a'),
    rows('b'),
    OPTIONS,
    new CounterRandom(0),
    new Breath(),
    (done, all) => told.push([done, all]),
  );
  const total = n ** 2 / 2 + m ** 2 / 2 + n * m;
  t.deepEqual(told.at(-1), [total, total]);
});
