import test from 'ava';
import { Comparison } from '../../src/parity/compare.js';
import { toChannelsFirst, toChannelsLast } from '../../src/parity/fixture.js';
import { settleResiduals } from '../../src/parity/gradients.js';
import { firstStepTolerance } from '../../src/parity/tolerances.js';
import { values } from '../helpers/kernels.js';

function compare(got: ArrayLike<number>, expected: ArrayLike<number>, tolerance = 0.1) {
  const comparison = new Comparison('group');
  comparison.add('tensor', [expected.length / 2, 2], got, expected, () => tolerance);
  return comparison.result()!;
}

test('a group passes if every element is within its tolerance', (t) => {
  const group = compare([1, 2.0625, 3, 4], [1, 2, 3, 4]);
  t.true(group.holds);
  t.is(group.largestError, 0.0625);
  t.is(group.values, 4);
});

test('the element that exceeds its tolerance the most is reported with its position', (t) => {
  const { holds, worst } = compare([1, 2.25, 3.5, 4], [1, 2, 3, 4]);
  t.false(holds);
  t.deepEqual(worst, {
    tensor: 'tensor',
    index: [1, 0],
    expected: 3,
    got: 3.5,
    error: 0.5,
    tolerance: 0.1,
  });
});

test('a smaller error against a smaller tolerance counts more', (t) => {
  const comparison = new Comparison('group');
  comparison.add('loose', [1], [1.5], [1], () => 1);
  comparison.add('tight', [], [1.25], [1], () => 0.125);
  const group = comparison.result()!;
  t.false(group.holds);
  t.is(group.worst.tensor, 'tight');
  t.is(group.largestError, 0.5);
});

test('a NaN on either side or a different length fails', (t) => {
  t.false(compare([Number.NaN, 2], [1, 2]).holds);
  t.false(compare([1, 2], [Number.NaN, 2]).holds);
  t.false(compare([1], [1, 2]).holds);
  t.false(compare([1, 2, 3], [1, 2]).holds);
});

test('with a tolerance of zero, as for counts, only equal values pass', (t) => {
  const comparison = new Comparison('counts');
  comparison.add('n', [], BigInt64Array.of(2n), BigInt64Array.of(2n), () => 0);
  t.true(comparison.result()!.holds);
  comparison.add('n', [], BigInt64Array.of(2n), BigInt64Array.of(3n), () => 0);
  t.false(comparison.result()!.holds);
});

test('an empty comparison is not a group', (t) => {
  t.is(new Comparison('empty').result(), null);
});

test('images are converted between channels first and channels last', (t) => {
  const first = Float32Array.of(1, 2, 3, 4, 10, 20, 30, 40);
  const last = toChannelsLast(first, 2, 4);
  t.deepEqual([...last], [1, 10, 2, 20, 3, 30, 4, 40]);
  const batch = values(2 * 3 * 25);
  t.deepEqual(toChannelsFirst(toChannelsLast(batch, 3, 25), 3, 25), batch);
});

test("only residuals within rounding of zero are moved to the reference's side", (t) => {
  const noise = Float32Array.of(0.5, 0.5, 0.5);
  const theirs = Float32Array.of(0.5 - 2 ** -20, 0.25, 0.75);
  const ours = Float32Array.of(0.5 + 2 ** -20, 0.25, 0.25);
  const settled = settleResiduals(noise, ours, theirs, 1e-5);
  t.true(settled[0]! > ours[0]!, 'the same side');
  t.true(Math.abs(settled[0]! - 0.5) < 1e-5, 'by no more than rounding');
  t.deepEqual([...settled.slice(1)], [0.5, 0.5]);
});

test("Adam's first step has a tight tolerance, except where the gradient's sign is in doubt", (t) => {
  const parameters = Float32Array.of(0.5, 0.5, 0.5);
  const tolerance = firstStepTolerance(parameters, Float32Array.of(0.01, 1e-9, -0.004));
  t.true(tolerance(0) < 1e-6);
  t.true(tolerance(1) > 1e-3 && tolerance(1) <= 2.1e-3);
  t.true(tolerance(2) < 1e-6);
});
