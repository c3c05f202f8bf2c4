import test from 'ava';
import { difference, digest, median, quantile, quartiles } from '../../src/bench/statistics.js';

test('Quantiles are interpolated between sorted values, whatever the order of the input', (t) => {
  t.is(median([5, 1, 3]), 3);
  t.is(median([4, 1, 2, 3]), 2.5);
  t.is(median([7]), 7);
  t.deepEqual(quartiles([1, 2, 3, 4, 5]), [2, 4]);
  t.is(quantile([10, 0], 0.9), 9);
  // By value, not by their digits.
  t.is(quantile([9, 10, 100], 1), 100);
});

test('The input list is not changed', (t) => {
  const list = [3, 1, 2];
  median(list);
  t.deepEqual(list, [3, 1, 2]);
});

test('A digest is mean, root mean square and eight values spread over the result', (t) => {
  const values = Float32Array.from({ length: 16 }, (_, i) => i);
  t.deepEqual(digest(values), [7.5, Math.sqrt(1240 / 16), 0, 2, 4, 6, 8, 10, 12, 14]);
});

test('The difference of two digests is that of their worst entry, relative if it is large', (t) => {
  t.is(difference([0, 1], [0, 1]), 0);
  t.is(difference([0.5, 1], [0, 1]), 0.5);
  t.is(difference([0, 108], [0, 99]), 0.09);
  t.is(difference([1, 2, 99], [1, 2]), 0);
  t.true(Number.isNaN(difference([Number.NaN], [1])));
});
