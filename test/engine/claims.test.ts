import test from 'ava';
import { Claims } from '../../src/engine/claims.js';
import { ARENA, CLAIMED_CALLS } from '../../src/engine/control.js';

const wordsOf = () => new Int32Array(new SharedArrayBuffer(ARENA));
const callOf = (items: number, grain = 1) => ({ items, grain });

/** How often each item was computed, and by whom. */
class Record {
  readonly times: number[];
  readonly by: number[];

  constructor(items: number) {
    this.times = Array.from({ length: items }, () => 0);
    this.by = [...this.times];
  }

  note(rank: number, begin: number, end: number): void {
    for (let i = begin; i < end; i++) {
      this.times[i]!++;
      this.by[i] = rank;
    }
  }
}

test('Each item is computed once, in any order of workers, at multiples of the grain', (t) => {
  for (const size of [1, 2, 3, 7])
    for (const [items, grain] of [
      [0, 1],
      [1, 1],
      [5, 1],
      [64, 1],
      [1000, 4],
      [999, 4],
      [17, 8],
    ] as const)
      for (const order of [(i: number) => i, (i: number) => size - 1 - i]) {
        const words = wordsOf();
        const all = Array.from({ length: size }, (_, rank) => new Claims(words, rank, size));
        // Phases of both parities, and calls beyond those that have a counter.
        for (let phase = 0; phase < 3; phase++) {
          for (const index of [0, 1, CLAIMED_CALLS - 1, CLAIMED_CALLS]) {
            const record = new Record(items);
            for (let i = 0; i < size; i++) {
              const rank = order(i);
              all[rank]!.run(callOf(items, grain), index, (begin, end) => {
                t.true(begin % grain === 0 && begin < end);
                record.note(rank, begin, end);
              });
            }
            const what = `${items} in grains of ${grain} by ${size}, phase ${phase}, call ${index}`;
            t.true(
              record.times.every((n) => n === 1),
              what,
            );
          }
          for (const claims of all) claims.next();
        }
      }
});

test('A finished worker takes items that another has not reached, but not its current ones', (t) => {
  const words = wordsOf();
  const [slow, fast] = [0, 1].map((rank) => new Claims(words, rank, 2)) as [Claims, Claims];
  const record = new Record(80);
  let first = true;
  slow.run(callOf(80), 0, (begin, end) => {
    record.note(0, begin, end);
    if (!first) return;
    first = false;
    // While the slow one computes its first piece, the other runs from beginning to end.
    fast.run(callOf(80), 0, (begin, end) => record.note(1, begin, end));
  });
  t.true(record.times.every((n) => n === 1));
  t.deepEqual(
    [0, 1].map((rank) => record.by.filter((by) => by === rank).length),
    [5, 75],
  );
});

test('Counters of an earlier run do not matter', (t) => {
  const words = wordsOf().fill(1000);
  const [a, b] = [0, 1].map((rank) => new Claims(words, rank, 2)) as [Claims, Claims];
  const record = new Record(100);
  for (const [rank, claims] of [a, b].entries())
    claims.run(callOf(100), 3, (begin, end) => record.note(rank, begin, end));
  t.true(record.times.every((n) => n === 1));
});
