import test from 'ava';
import { solve } from '../../../src/diffusion/solvers/linear.js';
import { close } from '../../helpers/kernels.js';

test('linear equations are solved in any order', (t) => {
  const x = [2, -1, 0.5];
  const rows = [
    [0, 2, -4],
    [1, 1, 1],
    [3, -2, 8],
  ];
  const b = rows.map((row) => row.reduce((sum, value, i) => sum + value * x[i]!, 0));
  close(t, solve(rows, b), x, { rtol: 1e-14 });
  close(t, solve([...rows].reverse(), [...b].reverse()), x, { rtol: 1e-14 });
  t.deepEqual(solve([[4]], [2]), [0.5]);
});
