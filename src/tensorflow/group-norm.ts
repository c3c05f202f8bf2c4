/** Group normalisation with TensorFlow's operations, with its gradient. Images are f32 NHWC. */
import type { Affine } from './batch-norm.js';
import { add, multiply, reduce, reshape, square, subtract } from './calls.js';
import { FLOAT, INT32, type Ops, one, scalar, string, vector } from './ops.js';
import type { Tape } from './tape.js';

export interface Groups {
  readonly batch: number;
  readonly channels: number;
  readonly groups: number;
  /** Pixels per image. */
  readonly pixels: number;
}

/**
 * y = scale·(x − mean)·r + offset with r = 1/√(variance + ε), mean and variance of each image and group (biased, like
 * PyTorch's). The backward pass reads x − mean, in place of x.
 */
export function groupNorm<V>(tape: Tape<V>, x: V, affine: Affine<V>, of: Groups): V {
  const { ops } = tape;
  const { scale, offset, eps } = affine;
  const by = grouped(ops, of);
  const mean = by.groupMeans(pixels(ops, 'Mean', x));
  const centred = subtract(ops, x, by.image(by.spread(mean)));
  const variance = by.groupMeans(pixels(ops, 'Mean', square(ops, centred)));
  const root = one(ops, 'Rsqrt', [add(ops, variance, scalar(ops, eps))]);
  const slope = by.image(multiply(ops, root, by.perGroup(scale)));
  const y = one(ops, 'BiasAdd', [multiply(ops, centred, slope), offset], {
    T: FLOAT,
    data_format: string('NHWC'),
  });
  return tape.record(y, (dy) => {
    const sums = pixels(ops, 'Sum', dy);
    const products = pixels(ops, 'Sum', multiply(ops, dy, centred));
    const normal = by.vector(multiply(ops, by.groups(products), root));
    tape.give(offset, reduce(ops, 'Sum', sums, [0]));
    tape.give(scale, reduce(ops, 'Sum', normal, [0]));
    // dx = slope·dy − r·m₁ − r²·m₂·(x − mean), with the means m₁ of scale·dy and m₂ of scale·dy·(x − mean)·r.
    const m1 = by.groupMeans(multiply(ops, sums, scale));
    const m2 = by.groupMeans(multiply(ops, normal, scale));
    const share = by.spread(multiply(ops, root, scalar(ops, -1 / of.pixels)));
    const shift = by.image(multiply(ops, share, m1));
    const tilt = by.image(multiply(ops, share, multiply(ops, root, m2)));
    const moved = add(ops, multiply(ops, centred, tilt), shift);
    tape.give(x, add(ops, multiply(ops, dy, slope), moved));
  });
}

/** Over width, then height: [batch, side, side, channels] to [batch, channels]. */
const pixels = <V>(ops: Ops<V>, how: 'Sum' | 'Mean', x: V): V => reduce(ops, how, x, [2, 1]);

/** Converts between values per channel and per group. */
function grouped<V>(ops: Ops<V>, { batch, channels, groups }: Groups) {
  const each = channels / groups;
  const split = (x: V) => reshape(ops, x, [batch, groups, each]);
  return {
    /** [batch, channels] to [batch, groups, channels/groups], and to the means of each group: [batch, groups, 1]. */
    groups: split,
    groupMeans: (x: V) => reduce(ops, 'Mean', split(x), [2], true),
    /** [batch, groups, 1] to [batch, groups, channels/groups]. */
    spread: (x: V) =>
      one(ops, 'BroadcastTo', [x, vector(ops, batch, groups, each)], { T: FLOAT, Tidx: INT32 }),
    /** [channels] to [1, groups, channels/groups]. */
    perGroup: (x: V) => reshape(ops, x, [1, groups, each]),
    /** [batch, groups, channels/groups] to [batch, channels], and to values for every pixel. */
    vector: (x: V) => reshape(ops, x, [batch, channels]),
    image: (x: V) => reshape(ops, x, [batch, 1, 1, channels]),
  };
}
