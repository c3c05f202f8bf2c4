import test from 'ava';
import { batches, evenBatch, ImageRange, shardRange } from '../../src/generate/image-range.js';

const plain = (range: ImageRange, size: number, norm: 'running' | 'batch', aligned?: boolean) =>
  [...batches(range, size, norm, aligned)].map(({ images, wanted }) => [[...images], wanted]);

test('Shards cover every image once, in order, and differ in size by at most one', (t) => {
  for (const [count, of] of [
    [10, 1],
    [10, 3],
    [3, 5],
    [64, 7],
  ] as const) {
    const ranges = Array.from({ length: of }, (_, i) => shardRange(count, { index: i + 1, of }));
    t.is(ranges[0]!.first, 0);
    t.is(ranges.at(-1)!.end, count);
    for (const [i, range] of ranges.entries()) if (i > 0) t.is(range.first, ranges[i - 1]!.end);
    const sizes = ranges.map(({ size }) => size);
    t.true(Math.max(...sizes) - Math.min(...sizes) <= 1);
  }
});

test('Marks are counted once and stay within their range', (t) => {
  const range = new ImageRange(5, 25);
  for (const image of [5, 13, 13, 24]) range.mark(image);
  t.is(range.count, 3);
  t.deepEqual(
    Array.from({ length: 20 }, (_, i) => i + 5).filter((image) => range.has(image)),
    [5, 13, 24],
  );
  t.false(range.includes(4));
  t.false(range.includes(25));
});

test('With running statistics, batches consist of missing images only', (t) => {
  const range = new ImageRange(2, 10);
  for (const image of [3, 4, 9]) range.mark(image);
  t.deepEqual(plain(range, 2, 'running'), [
    [
      [2, 5],
      [2, 5],
    ],
    [
      [6, 7],
      [6, 7],
    ],
    [[8], [8]],
  ]);
});

test('With batch statistics, batches always have the same images, even if only some are missing', (t) => {
  const range = new ImageRange(2, 10);
  for (const image of [3, 4, 5, 9]) range.mark(image);
  t.deepEqual(plain(range, 3, 'batch'), [
    [[0, 1, 2], [2]],
    [
      [6, 7, 8],
      [6, 7, 8],
    ],
  ]);
});

test('Aligned batches do not depend on finished images, and end with the range', (t) => {
  const range = new ImageRange(2, 11);
  for (const image of [3, 4, 5, 9]) range.mark(image);
  t.deepEqual(plain(range, 3, 'running', true), [
    [[2], [2]],
    [
      [6, 7, 8],
      [6, 7, 8],
    ],
    [[9, 10], [10]],
  ]);
});

test('A range with nothing missing has no batches', (t) => {
  t.deepEqual(plain(new ImageRange(4, 4), 3, 'running'), []);
  t.deepEqual(plain(new ImageRange(4, 4), 3, 'batch'), []);
});

test('An even batch is at most the requested size, and gives each lane the same number of rounds', (t) => {
  for (const images of [1, 5, 16, 64, 1000])
    for (const largest of [1, 7, 8, 100])
      for (const lanes of [1, 2, 5]) {
        const size = evenBatch(images, largest, lanes);
        t.true(size >= 1 && size <= largest);
        const rounds = (batch: number) => Math.ceil(Math.ceil(images / batch) / lanes);
        t.is(rounds(size), rounds(largest));
      }
});
