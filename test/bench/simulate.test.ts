import test from 'ava';
import { makespan } from '../../bench/simulate.js';

test('a phase ends with its slowest worker, who loses what others steal', (t) => {
  t.is(makespan([[[1, 2, 3]]], 1), 6);
  // Equal shares.
  const equal = [
    [1, 1],
    [1, 1],
  ];
  t.is(makespan([equal], 2), 2);
  // The second worker has nothing of its own, and takes every other piece.
  t.is(makespan([[[1, 1, 1, 1], []]], 2), 2);
  t.is(makespan([[[1, 1, 1], []]], 2), 2);
  // A single piece cannot be divided.
  t.is(makespan([[[5], [1]]], 2), 5);
  t.is(makespan([], 4), 0);
});

test('a worker that has finished a call goes on to the next one of the phase', (t) => {
  // The first worker takes the long piece; the second does everything else meanwhile.
  const first = [[4], [1]];
  const second = [[1, 1], [1]];
  t.is(makespan([first, second], 2), 4);
  // Both take part in the second call once they have nothing left of the first.
  const even = [[2], [2]];
  t.is(makespan([even, [[1, 1], []]], 2), 3);
});
