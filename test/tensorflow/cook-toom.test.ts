import test from 'ava';
import { minimalFilter, square, transpose } from '../../src/tensorflow/cook-toom.js';

const FILTERS = [
  [2, 2],
  [2, 3],
  [4, 2],
  [4, 3],
] as const;

for (const [m, r] of FILTERS)
  test(`F(${m}, ${r}) equals the filter exactly`, (t) => {
    const { a, g, b } = minimalFilter(m, r);
    t.is(b.length, m + r - 1);
    for (let i = 0; i < m; i++)
      for (let j = 0; j < r; j++)
        for (let s = 0; s < b.length; s++) {
          // How much x[s]·w[j] counts in y[i]: once where s = i + j.
          const weight = b.reduce((sum, row, q) => sum + a[q]![i]! * g[q]![j]! * row[s]!, 0);
          t.true(Math.abs(weight - (s === i + j ? 1 : 0)) < 1e-15, `y[${i}], w[${j}], x[${s}]`);
        }
  });

test('the transforms of images and outputs are exact in f32', (t) => {
  for (const [m, r] of FILTERS) {
    const { a, b } = minimalFilter(m, r);
    for (const value of [...square(a).flat(), ...square(b).flat()]) t.is(value, Math.fround(value));
  }
});

test('the square transform applies the matrix along both axes', (t) => {
  const matrix = [
    [1, 2, 3],
    [4, 5, 6],
  ];
  t.deepEqual(square(matrix)[1 * 2 + 0], [4, 8, 12, 5, 10, 15, 6, 12, 18]);
  t.deepEqual(transpose(matrix), [
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
});
