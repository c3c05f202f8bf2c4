import test from 'ava';
import { share } from '../../src/engine/program.js';

test('Shares are even, ordered, start at multiples of the grain, and cover all items once', (t) => {
  for (const items of [0, 1, 2, 3, 4, 5, 16, 63, 64, 65, 1000])
    for (const grain of [1, 4, 7, 64])
      for (const size of [1, 2, 3, 7, 16, 256]) {
        const what = `${items} items in grains of ${grain} for ${size}`;
        let next = 0;
        const lengths = [];
        for (let rank = 0; rank < size; rank++) {
          const [begin, end] = share({ items, grain }, rank, size);
          t.is(begin, next, what);
          t.true(end >= begin && (begin % grain === 0 || begin === items), what);
          lengths.push(Math.ceil((end - begin) / grain));
          next = end;
        }
        t.is(next, items, what);
        t.true(Math.max(...lengths) - Math.min(...lengths) <= 1, what);
      }
});
