import test from 'ava';
import { duration } from '../../src/commands/progress.js';
import { bytes, grouped, operations, table } from '../../src/commands/text.js';

test('tables are aligned, numbers to the right', (t) => {
  t.is(
    table(
      [
        ['a', '1'],
        ['bcd', '1000'],
      ],
      [1],
    ),
    'a       1\nbcd  1000\n',
  );
  t.is(table([]), '');
});

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

test('durations read like a clock', (t) => {
  t.deepEqual([0, 7.4, 65, 3599.6, 3600, 45296].map(duration), [
    '0:00',
    '0:07',
    '1:05',
    '1:00:00',
    '1:00:00',
    '12:34:56',
  ]);
});
