import test from 'ava';
import { bytes, grouped, operations, plural } from '../src/units.js';

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

test('nouns agree with their number', (t) => {
  t.deepEqual(
    [0, 1, 2048].map((n) => plural(n, 'image')),
    ['0 images', '1 image', '2,048 images'],
  );
});
