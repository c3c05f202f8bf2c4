import test from 'ava';
import { Breath } from '../../src/evaluate/breath.js';
import { eigenvalues } from '../../src/evaluate/eigenvalues.js';
import { frechetDistance } from '../../src/evaluate/frechet.js';
import { timesTransposed } from '../../src/evaluate/matrix.js';
import { Moments } from '../../src/evaluate/moments.js';
import { featureFixture } from '../helpers/evaluation.js';

/** Rows of what a linear congruence gives: no two tests need the same numbers. */
function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return state / 2 ** 31 - 1;
  });
}

function moments(rows: Float32Array, features: number) {
  const of = new Moments(features);
  of.add(rows);
  return of.finish();
}

test("The Fréchet distance matches PyTorch's, also with fewer images than features", async (t) => {
  const { rows, expected } = await featureFixture();
  for (const [a, b] of [['a', 'b'] as const, ['few', 'b'] as const, ['b', 'few'] as const]) {
    const [first, second] = [rows(a), rows(b)];
    const got = await frechetDistance(
      moments(first.data, first.features),
      moments(second.data, second.features),
    );
    const [wanted] = expected(`${a}_${b}`);
    // The general eigenvalues that PyTorch takes are less exact than ours where a covariance is singular.
    t.true(Math.abs(got - wanted!) < 1e-4 * wanted!, `${a} ${b}: expected ${wanted}, got ${got}`);
  }
});

test('The Fréchet distance of a set to itself is zero, up to rounding', async (t) => {
  const { rows } = await featureFixture();
  const { data, features } = rows('a');
  const own = moments(data, features);
  const distance = await frechetDistance(own, own);
  const size = own.mean.reduce((sum, mean) => sum + mean ** 2, 0);
  t.true(Math.abs(distance) < 1e-9 * size, `${distance}`);
});

test('The Fréchet distance of diagonal covariances matches the formula', async (t) => {
  const diagonal = (mean: number[], variances: number[]) => ({
    mean: Float64Array.from(mean),
    covariance: Float64Array.from(
      variances.flatMap((v, i) => variances.map((_, j) => (i === j ? v : 0))),
    ),
  });
  const distance = await frechetDistance(diagonal([1, 2], [4, 9]), diagonal([0, 4], [1, 0]));
  t.true(Math.abs(distance - (1 + 4 + 4 + 9 + 1 - 2 * 2)) < 1e-12, `${distance}`);
});

test('Statistics of different numbers of features are refused', async (t) => {
  const [a, b] = [moments(numbers(20), 2), moments(numbers(30), 3)];
  const error = await t.throwsAsync(frechetDistance(a, b));
  t.regex(error!.message, /^--reference: expected 2 features like the samples', got 3$/);
});

test('Moments computed in parts equal those of all rows at once, even for a large mean', (t) => {
  const features = 5;
  const rows = numbers(700 * features, 7).map((value) => 1000 + value);
  const parts = new Moments(features);
  for (const [begin, end] of [[0, 1] as const, [1, 300] as const, [300, 700] as const])
    parts.add(rows.subarray(begin * features, end * features));
  t.is(parts.count, 700);
  const { mean, covariance } = parts.finish();
  for (let i = 0; i < features; i++) {
    const column = (f: number) => Array.from({ length: 700 }, (_, r) => rows[r * features + f]!);
    const average = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    const own = average(column(i));
    t.true(Math.abs(mean[i]! - own) < 1e-9);
    for (let j = 0; j < features; j++) {
      const other = average(column(j));
      const products = column(i).map((value, r) => (value - own) * (column(j)[r]! - other));
      const expected = (average(products) * 700) / 699;
      t.true(Math.abs(covariance[i * features + j]! - expected) < 1e-9, `[${i}, ${j}]`);
    }
  }
});

test('One row has no covariance', (t) => {
  const one = new Moments(3);
  one.add(numbers(3));
  t.throws(() => one.finish(), { message: /needs two images or more, got 1/ });
});

test('Eigenvalues match the trace, norm and determinant of the matrix, for any size', async (t) => {
  for (const n of [1, 2, 3, 17, 60]) {
    const factor = { rows: n, columns: n, data: Float64Array.from(numbers(n * n, n)) };
    const matrix = await timesTransposed(factor, factor, new Breath());
    const squared = await timesTransposed(matrix, matrix, new Breath());
    const trace = (data: Float64Array) =>
      Array.from({ length: n }, (_, i) => data[i * n + i]!).reduce((a, b) => a + b, 0);
    const [sum, squares] = [trace(matrix.data), trace(squared.data)];
    const values = await eigenvalues(matrix, new Breath());
    t.true(Math.abs(values.reduce((a, b) => a + b, 0) - sum) < 1e-12 * n * sum);
    t.true(Math.abs(values.reduce((a, b) => a + b * b, 0) - squares) < 1e-12 * n * squares);
    t.true(values.every((value) => value > -1e-12 * sum));
  }
});

test('Eigenvalues of a known matrix and of a diagonal one are found, and a NaN is refused', async (t) => {
  const of = async (n: number, data: number[]) =>
    [
      ...(await eigenvalues({ rows: n, columns: n, data: Float64Array.from(data) }, new Breath())),
    ].sort((a, b) => a - b);
  // The second difference of five points: 2 − 2·cos(kπ/6).
  const second = Array.from({ length: 25 }, (_, i) => {
    const apart = Math.abs(Math.floor(i / 5) - (i % 5));
    return apart === 0 ? 2 : apart === 1 ? -1 : 0;
  });
  for (const [k, value] of (await of(5, second)).entries())
    t.true(Math.abs(value - (2 - 2 * Math.cos(((k + 1) * Math.PI) / 6))) < 1e-14);
  t.deepEqual(await of(3, [3, 0, 0, 0, 1, 0, 0, 0, 2]), [1, 2, 3]);
  await t.throwsAsync(of(2, [Number.NaN, 1, 1, 1]), { message: /do not converge/ });
});
