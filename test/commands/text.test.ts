import test from 'ava';
import { duration } from '../../src/commands/progress.js';
import { table } from '../../src/commands/text.js';

test('table columns are aligned, and numbers are right-aligned', (t) => {
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

test('durations are shown like a clock', (t) => {
  t.deepEqual([0, 7.4, 65, 3599.6, 3600, 45296].map(duration), [
    '0:00',
    '0:07',
    '1:05',
    '1:00:00',
    '1:00:00',
    '12:34:56',
  ]);
});
