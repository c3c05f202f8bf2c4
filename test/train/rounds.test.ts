import test from 'ava';
import { Rounds } from '../../src/train/rounds.js';

const upTo = (total: number) => Array.from({ length: total }, (_, i) => i + 1);

test('a round has a fixed number of steps, and the last one ends with the run', (t) => {
  const rounds = new Rounds(3, 8);
  t.deepEqual(
    upTo(8).filter((taken) => rounds.endsAt(taken)),
    [3, 6, 8],
  );
  t.deepEqual(
    upTo(8).map((taken) => rounds.beginOf(taken)),
    [0, 0, 0, 3, 3, 3, 6, 6],
  );
  t.deepEqual(
    [0, 1, 2, 3, 5, 6, 7].map((taken) => rounds.endAfter(taken)),
    [3, 3, 3, 6, 6, 8, 8],
  );
});

test('an event due within a round happens once, at its end', (t) => {
  const reached = (every: number | null, period: number) => {
    const rounds = new Rounds(every, 12);
    return upTo(12).filter((taken) => rounds.endsAt(taken) && rounds.reaches(period, taken));
  };
  t.deepEqual(reached(null, 5), [5, 10]);
  t.deepEqual(reached(3, 5), [6, 12]);
  t.deepEqual(reached(5, 2), [5, 10, 12]);
  t.deepEqual(reached(5, 0), []);
});
