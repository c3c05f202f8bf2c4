import test from 'ava';
import { Arena } from '../../../src/engine/arena.js';
import { Buffers, pack } from '../../../src/engine/network/buffers.js';

const overlaps = (a: [number, number], b: [number, number]) => a[0] < b[1] && b[0] < a[1];

test('Buffers that are needed at the same time share no byte', (t) => {
  // Lifetimes of all kinds, by a small generator of our own.
  let seed = 1;
  const next = (below: number) => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  const buffers = Array.from({ length: 200 }, () => {
    const from = next(50);
    return { bytes: 1 + next(5000), from, to: from + next(20) };
  });
  const { offsets, size } = pack(buffers);
  for (const [i, a] of buffers.entries()) {
    t.is(offsets[i]! % 64, 0);
    t.true(offsets[i]! + a.bytes <= size);
    for (const [j, b] of buffers.entries())
      if (i < j && a.from <= b.to && b.from <= a.to)
        t.false(
          overlaps([offsets[i]!, offsets[i]! + a.bytes], [offsets[j]!, offsets[j]! + b.bytes]),
        );
  }
  const most = Math.max(
    ...Array.from({ length: 70 }, (_, moment) =>
      buffers
        .filter(({ from, to }) => from <= moment && moment <= to)
        .reduce((sum, { bytes }) => sum + 64 * Math.ceil(bytes / 64), 0),
    ),
  );
  t.true(size >= most && size < 1.5 * most, `${size} for ${most}`);
});

test('A buffer is live from its first to its last use, and groups are separate', (t) => {
  const arena = new Arena();
  const buffers = new Buffers();
  buffers.use('one', 'a', 640, 3);
  buffers.use('one', 'b', 640, 5);
  buffers.use('one', 'c', 640, 4);
  buffers.use('one', 'a', 640, 4);
  buffers.use('other', 'd', 64, 5);
  buffers.place(arena);
  t.is(buffers.at('a'), buffers.at('b'));
  t.not(buffers.at('a'), buffers.at('c'));
  t.deepEqual(
    [...arena.groups],
    [
      ['one', 1280],
      ['other', 64],
    ],
  );
  t.throws(() => buffers.at('e'));
});
