/** Operations without weights, with TensorFlow's operations, each with its gradient. Images are f32 NHWC, vectors [batch, channels]. */
import { add, join, multiply, reshape, split, square, subtract } from './calls.js';
import { bool, FLOAT, INT32, ints, type Ops, one, scalar, string, vector } from './ops.js';
import type { Tape } from './tape.js';

export function relu<V>(tape: Tape<V>, x: V): V {
  const { ops } = tape;
  const y = one(ops, 'Relu', [x]);
  return tape.record(y, (dy) => tape.give(x, one(ops, 'ReluGrad', [dy, y])));
}

/** y = x·σ(x), computed by SoftplusGrad: g·σ(x) with g = x. Its derivative is σ + x·σ·(1 − σ), which reads no y. */
export function silu<V>(tape: Tape<V>, x: V): V {
  const { ops } = tape;
  return tape.record(one(ops, 'SoftplusGrad', [x, x]), (dy) => {
    const sigmoid = one(ops, 'Sigmoid', [ops.after(x, [dy])]);
    const slope = add(ops, sigmoid, one(ops, 'SigmoidGrad', [sigmoid, x]));
    tape.give(x, multiply(ops, dy, slope));
  });
}

/**
 * y = x·σ(z) with z = 2·√(2/π)·(x + 0.044715·x³), by SoftplusGrad as well. Its derivative is σ + σ·(1 − σ)·x·z′, and
 * x·z′ = 3·z − 4·√(2/π)·x.
 */
export function gelu<V>(tape: Tape<V>, x: V): V {
  const { ops } = tape;
  const times = (value: V, factor: number) => multiply(ops, value, scalar(ops, factor));
  const [first, third] = [GELU, 0.044715 * GELU];
  const z = multiply(ops, x, add(ops, times(square(ops, x), third), scalar(ops, first)));
  return tape.record(one(ops, 'SoftplusGrad', [x, z]), (dy) => {
    const [late, lateZ] = [ops.after(x, [dy]), ops.after(z, [dy])];
    const sigmoid = one(ops, 'Sigmoid', [lateZ]);
    const growth = subtract(ops, times(lateZ, 3), times(late, 2 * first));
    const slope = add(ops, sigmoid, one(ops, 'SigmoidGrad', [sigmoid, growth]));
    tape.give(x, multiply(ops, dy, slope));
  });
}

const GELU = 2 * Math.sqrt(2 / Math.PI);

/** x in another shape. */
export function reshaped<V>(
  tape: Tape<V>,
  x: V,
  to: readonly number[],
  from: readonly number[],
): V {
  const { ops } = tape;
  return tape.record(reshape(ops, x, to), (dy) => tape.give(x, reshape(ops, dy, from)));
}

/** (a + b)/divisor, where b has a's shape. */
export function sum<V>(tape: Tape<V>, a: V, b: V, divisor: number): V {
  const { ops } = tape;
  return tape.record(divided(ops, add(ops, a, b), divisor), (dy) => {
    const each = divided(ops, dy, divisor);
    tape.give(a, each);
    tape.give(b, each);
  });
}

/** (x + e)/divisor, where the vector e is added to every pixel. */
export function addPerChannel<V>(tape: Tape<V>, x: V, e: V, channels: number, divisor: number): V {
  const { ops } = tape;
  const y = add(ops, x, everyPixel(ops, e, channels));
  return tape.record(divided(ops, y, divisor), (dy) => {
    const each = divided(ops, dy, divisor);
    tape.give(x, each);
    tape.give(e, overPixels(ops, each));
  });
}

const divided = <V>(ops: Ops<V>, x: V, divisor: number): V =>
  divisor === 1 ? x : one(ops, 'RealDiv', [x, scalar(ops, divisor)]);

/** x·(1 + scale) + shift for every pixel, with `by` = [scale | shift]. */
export function film<V>(tape: Tape<V>, x: V, by: V, channels: number): V {
  const { ops } = tape;
  const [scale, shift] = split(ops, by, [channels, channels], 1);
  const slope = everyPixel(ops, add(ops, scale!, scalar(ops, 1)), channels);
  const y = add(ops, multiply(ops, x, slope), everyPixel(ops, shift!, channels));
  return tape.record(y, (dy) => {
    tape.give(x, multiply(ops, dy, slope));
    const dScale = overPixels(ops, multiply(ops, dy, x));
    tape.give(by, join(ops, [dScale, overPixels(ops, dy)], 1));
  });
}

/** [batch, channels] as [batch, 1, 1, channels]. */
export const everyPixel = <V>(ops: Ops<V>, e: V, channels: number): V =>
  reshape(ops, e, [-1, 1, 1, channels]);

/** The adjoint: sums over pixels. */
export const overPixels = <V>(ops: Ops<V>, x: V): V => {
  const attributes = { T: FLOAT, Tidx: INT32, keep_dims: bool(false) };
  return one(ops, 'Sum', [x, vector(ops, 1, 2)], attributes);
};

/** x·factor + offset. */
export function scaled<V>(tape: Tape<V>, x: V, factor: number, offset: number): V {
  const { ops } = tape;
  const y = add(ops, multiply(ops, x, scalar(ops, factor)), scalar(ops, offset));
  return tape.record(y, (dy) => tape.give(x, multiply(ops, dy, scalar(ops, factor))));
}

/** x·mask. */
export function masked<V>(tape: Tape<V>, x: V, mask: V): V {
  const { ops } = tape;
  return tape.record(multiply(ops, x, mask), (dy) => tape.give(x, multiply(ops, dy, mask)));
}

/** Concatenation of channels, of which `a` and `b` have the given numbers. */
export function concat<V>(
  tape: Tape<V>,
  a: V,
  b: V,
  channels: readonly [number, number],
  axis: 1 | 3,
): V {
  const { ops } = tape;
  return tape.record(join(ops, [a, b], axis), (dy) => {
    const [da, db] = split(ops, dy, channels, axis);
    tape.give(a, da!);
    tape.give(b, db!);
  });
}

const NEAREST = { T: FLOAT, align_corners: bool(false), half_pixel_centers: bool(false) };

/**
 * Nearest upsampling by two in both directions; `side` is that of x. The gradient sums 2x2 pixels, as four times their mean:
 * ResizeNearestNeighborGrad adds in any order on a GPU.
 */
export function upsample<V>(tape: Tape<V>, x: V, side: number): V {
  const { ops } = tape;
  return tape.record(repeat(ops, x, side), (dy) => {
    tape.give(x, multiply(ops, means(ops, dy), scalar(ops, 4)));
  });
}

/** Means of 2x2 pixels; `side` is that of x. Their gradient is a repetition, ten times as fast as AvgPoolGrad. */
export function downsample<V>(tape: Tape<V>, x: V, side: number): V {
  const { ops } = tape;
  return tape.record(means(ops, x), (dy) => {
    tape.give(x, repeat(ops, multiply(ops, dy, scalar(ops, 0.25)), side / 2));
  });
}

const repeat = <V>(ops: Ops<V>, x: V, side: number): V =>
  one(ops, 'ResizeNearestNeighbor', [x, vector(ops, 2 * side, 2 * side)], NEAREST);

const means = <V>(ops: Ops<V>, x: V): V =>
  one(ops, 'AvgPool', [x], {
    T: FLOAT,
    ksize: ints(1, 2, 2, 1),
    strides: ints(1, 2, 2, 1),
    padding: string('VALID'),
    data_format: string('NHWC'),
  });
