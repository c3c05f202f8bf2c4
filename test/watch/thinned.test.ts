import test from 'ava';
import { merged } from '../../src/watch/page/merged.js';
import { MOST_SERIES, Thinned } from '../../src/watch/thinned.js';

test('a short series keeps every value unchanged', (t) => {
  const series = new Thinned(['loss'], 8);
  const values = [0.1234567890123, 0.5, 1e-9];
  for (const [i, value] of values.entries()) series.add(i + 1, [['loss', value]]);
  const curve = series.curve();
  t.is(curve.width, 1);
  t.deepEqual(curve.first, [1, 2, 3]);
  t.deepEqual(curve.means.loss, values);
  t.deepEqual(curve.lows.loss, values);
});

for (const most of [8, 7])
  test(`buckets of a longer series have minimum, maximum and mean of their values, at most ${most} of them`, (t) => {
    const series = new Thinned(['a'], most);
    const values = Array.from({ length: 100 }, (_, i) => ((i * 37) % 101) / 10);
    for (const [i, value] of values.entries()) series.add(i + 1, [['a', value]]);
    const { first, last, width, means, lows, highs } = series.curve();
    t.true(first.length <= most && first.length >= most / 2, `${first.length}`);
    t.true(width > 1);
    t.is(first[0], 1);
    t.is(last.at(-1), 100);
    for (const [i, step] of first.entries()) {
      const own = values.slice(step - 1, last[i]!);
      t.is(step, i === 0 ? 1 : last[i - 1]! + 1);
      t.is(lows.a![i], Math.min(...own));
      t.is(highs.a![i], Math.max(...own));
      const mean = own.reduce((a, b) => a + b, 0) / own.length;
      t.true(Math.abs(means.a![i]! - mean) < 1e-5 * mean, `${i}: ${means.a![i]} for ${mean}`);
    }
  });

test('a million steps stay within the limit of buckets', (t) => {
  const series = new Thinned(['loss']);
  for (let step = 1; step <= 1e6; step++) series.add(step, [['loss', 1 / step]]);
  const { first, last, lows } = series.curve();
  t.true(first.length <= 2048 && first.length >= 1024);
  t.is(last.at(-1), 1e6);
  t.is(lows.loss!.at(-1), 1e-6);
});

test('late series and values that are not finite leave empty buckets', (t) => {
  const series = new Thinned([], 8);
  series.add(1, [['a', Number.NaN]]);
  series.add(2, [['a', 2]]);
  series.add(3, [
    ['a', Number.POSITIVE_INFINITY],
    ['__proto__', 3],
  ]);
  const { means } = series.curve();
  t.deepEqual(Object.entries(means), [
    ['a', [null, 2, null]],
    ['__proto__', [null, null, 3]],
  ]);
});

test('a client that requests updates has the complete series after each answer', (t) => {
  const series = new Thinned(['a'], 16);
  let known = series.curve();
  for (let step = 1; step <= 200; step++) {
    series.add(step, [['a', step % 7]]);
    if (step > 50) series.add(step + 0.5, [['late', step]]);
    const next = series.curve(known.generation, Math.max(0, known.first.length - 1));
    t.true(next.from > 0 || step < 3 || next.generation !== known.generation, `step ${step}`);
    known = merged(known, next);
    const whole = series.curve();
    t.deepEqual({ ...known, means: { ...known.means } }, { ...whole, means: { ...whole.means } });
  }
});

test('the number of series is limited', (t) => {
  const series = new Thinned(['loss']);
  for (let step = 1; step <= 1000; step++)
    series.add(step, [
      ['loss', 1],
      [`name ${step}`, 1],
    ]);
  const { means, lows } = series.curve();
  t.is(Object.keys(means).length, MOST_SERIES);
  t.is(lows.loss!.length, 1000);
});
