/** The losses on the noise, with d = ε̂ − ε over n values, and their gradients by ε̂. */
import type { Loss } from '../contracts/device.js';
import { bool, FLOAT, INT32, type Ops, one, scalar, vector } from './ops.js';

/** The scalar loss, and its gradient in the shape of ε̂. `count` is the number of values in ε̂. */
export function lossAndGradient<V>(
  ops: Ops<V>,
  loss: Loss,
  epsilon: V,
  noise: V,
  count: number,
): { value: V; gradient: V } {
  const d = one(ops, 'Sub', [epsilon, noise]);
  const times = (a: V, factor: number) => one(ops, 'Mul', [a, scalar(ops, factor)]);
  switch (loss) {
    case 'l1':
      return {
        value: mean(ops, one(ops, 'Abs', [d])),
        gradient: times(one(ops, 'Sign', [d]), 1 / count),
      };
    case 'l2':
      return { value: mean(ops, one(ops, 'Square', [d])), gradient: times(d, 2 / count) };
    case 'huber': {
      // With c = min(|d|, 1): c·(|d| − c/2) is d²/2 near zero and |d| − 1/2 beyond 1.
      const size = one(ops, 'Abs', [d]);
      const c = one(ops, 'Minimum', [size, scalar(ops, 1)]);
      const values = one(ops, 'Mul', [c, one(ops, 'Sub', [size, times(c, 0.5)])]);
      const sign = one(ops, 'Sign', [d]);
      return {
        value: mean(ops, values),
        gradient: times(one(ops, 'Mul', [sign, c]), 1 / count),
      };
    }
    default:
      return loss satisfies never;
  }
}

const mean = <V>(ops: Ops<V>, values: V): V =>
  one(ops, 'Mean', [values, vector(ops, 0, 1, 2, 3)], {
    T: FLOAT,
    Tidx: INT32,
    keep_dims: bool(false),
  });
