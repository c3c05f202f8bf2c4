import test from 'ava';
import { decode } from '../../src/data/decode.js';
import { carPicture } from '../../src/data/toy-cars.js';
import { opened, pixels } from '../helpers/data.js';

test('a car is a function of seed and index', (t) => {
  const car = carPicture(3, 17, 64);
  carPicture(4, 0, 64);
  t.is(carPicture(3, 17, 64), car);
  t.not(carPicture(3, 18, 64), car);
  t.not(carPicture(4, 17, 64), car);
});

test('drawings are well-formed for any random numbers', (t) => {
  for (let i = 0; i < 300; i++) t.notRegex(carPicture(0, i, 64), /NaN|undefined|null/);
});

test('the cars are a data set of different, high-contrast, coloured images', async (t) => {
  const cars = await opened(t, 'toy-cars', { size: 16 });
  t.is(cars.name, 'toy-cars');
  t.true(cars.count >= 1024);
  t.deepEqual(cars.skipped, []);
  const bytes = 16 * 16 * 3;
  const all = Buffer.from(await pixels(cars));
  const different = new Set(
    Array.from({ length: cars.count }, (_, i) =>
      all.subarray(i * bytes, (i + 1) * bytes).toString('latin1'),
    ),
  );
  t.is(different.size, cars.count);
  const mean = all.reduce((a, b) => a + b, 0) / all.length;
  t.true(mean > 90 && mean < 190, `mean level ${mean}`);
});

test('a car has the same shape at every size', async (t) => {
  const car = { kind: 'car', seed: 0, index: 5 } as const;
  const { pixels: small } = await decode(car, { size: 8, channels: 1, fit: 'squash' });
  const { pixels: large } = await decode(car, { size: 16, channels: 1, fit: 'squash' });
  for (let y = 0; y < 8; y++)
    for (let x = 0; x < 8; x++) {
      const at = 32 * y + 2 * x;
      const mean = (large[at]! + large[at + 1]! + large[at + 16]! + large[at + 17]!) / 4;
      // A box of four pixels is not quite the triangle that the kernel averages under.
      t.true(Math.abs(small[8 * y + x]! - mean) < 32, `pixel ${x}, ${y}`);
    }
});
