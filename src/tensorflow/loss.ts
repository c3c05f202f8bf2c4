/** The losses on a prediction, with d = ŷ − y over n values, and their gradients with respect to ŷ. */
import type { Loss } from '../contracts/device.js';
import { multiply } from './calls.js';
import { bool, FLOAT, INT32, type Ops, one, scalar, vector } from './ops.js';

/** The loss, each image's own, and the gradient in the shape of ŷ. */
export interface LossAndGradient<V> {
  readonly value: V;
  /** [batch, 1, 1, 1]. */
  readonly images: V;
  readonly gradient: V;
}

/** `count` is the number of values in ŷ; `weights` [batch, 1, 1, 1], of the images. */
export function lossAndGradient<V>(
  ops: Ops<V>,
  loss: Loss,
  epsilon: V,
  noise: V,
  count: number,
  weights: V | undefined,
): LossAndGradient<V> {
  const { distance, slope } = distances(ops, loss, one(ops, 'Sub', [epsilon, noise]));
  const gradient = multiply(ops, slope.of, scalar(ops, slope.factor / count));
  if (weights === undefined)
    return {
      value: mean(ops, distance, 0, 1, 2, 3),
      images: mean(ops, distance, 1, 2, 3),
      gradient,
    };
  const images = multiply(ops, mean(ops, distance, 1, 2, 3), weights);
  return {
    value: mean(ops, images, 0, 1, 2, 3),
    images,
    gradient: multiply(ops, gradient, weights),
  };
}

/** The distance of each value, and its slope, without a factor that is applied later. */
function distances<V>(
  ops: Ops<V>,
  loss: Loss,
  d: V,
): { distance: V; slope: { of: V; factor: number } } {
  switch (loss) {
    case 'l1':
      return {
        distance: one(ops, 'Abs', [d]),
        slope: { of: one(ops, 'Sign', [d]), factor: 1 },
      };
    case 'l2':
      return { distance: one(ops, 'Square', [d]), slope: { of: d, factor: 2 } };
    case 'huber': {
      // With c = min(|d|, 1): c·(|d| − c/2) is d²/2 near zero and |d| − 1/2 beyond 1.
      const size = one(ops, 'Abs', [d]);
      const c = one(ops, 'Minimum', [size, scalar(ops, 1)]);
      const half = multiply(ops, c, scalar(ops, 0.5));
      const sign = one(ops, 'Sign', [d]);
      return {
        distance: multiply(ops, c, one(ops, 'Sub', [size, half])),
        slope: { of: multiply(ops, sign, c), factor: 1 },
      };
    }
    default:
      return loss satisfies never;
  }
}

/** Means over axes; over all four a scalar, else the axes are kept with length 1. */
const mean = <V>(ops: Ops<V>, values: V, ...axes: number[]): V =>
  one(ops, 'Mean', [values, vector(ops, ...axes)], {
    T: FLOAT,
    Tidx: INT32,
    keep_dims: bool(axes.length < 4),
  });
