import test from 'ava';
import { bytes, grouped, operations, percent, plural, significant } from '../src/units.js';

test('numbers are shown in the unit that suits them', (t) => {
  t.is(grouped(62438883), '62,438,883');
  t.deepEqual([0, 1023, 1024, 3.5 * 2 ** 30, 2 ** 42].map(bytes), [
    '0 bytes',
    '1023 bytes',
    '1.00 KiB',
    '3.50 GiB',
    '4096.00 GiB',
  ]);
  t.deepEqual([0, 2048, 11.5e9].map(operations), ['0.00 FLOP', '2.05 kFLOP', '11.5 GFLOP']);
});

test('nouns are singular or plural by their number', (t) => {
  t.deepEqual(
    [0, 1, 2048].map((n) => plural(n, 'image')),
    ['0 images', '1 image', '2,048 images'],
  );
});

test('figures have a given number of significant digits and never an exponent', (t) => {
  t.deepEqual(
    [0.012345, 4.5, 38.812, 1783, 22512].map((n) => significant(n)),
    ['0.0123', '4.50', '38.8', '1780', '22500'],
  );
  t.is(significant(1783.25, 4), '1783');
  t.is(percent(0.1234), '12.3%');
});
