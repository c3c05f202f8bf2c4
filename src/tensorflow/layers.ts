/**
 * The U-Net's layers in TensorFlow's fused operations, each with its gradient. Images are f32 NHWC,
 * convolution weights HWIO, linear weights [out, in].
 *
 * Padding is SAME: for 3x3 stride 1, 1x1, and 4x4 stride 2 on even sides it equals PyTorch's (1, 0 and 1),
 * and oneDNN's backward convolutions know only it, not EXPLICIT (twice as slow here).
 */
import {
  bool,
  FLOAT,
  float,
  INT32,
  int,
  ints,
  type Ops,
  one,
  scalar,
  string,
  vector,
} from './ops.js';
import type { Tape } from './tape.js';

const NHWC = { T: FLOAT, data_format: string('NHWC') };

const convolution = (stride: number) => ({
  ...NHWC,
  strides: ints(1, stride, stride, 1),
  padding: string('SAME'),
});

const shapeOf = { T: FLOAT, out_type: INT32 };

/** y = x ∗ w + b, w: [kernel, kernel, in, out]. */
export function conv<V>(tape: Tape<V>, x: V, w: V, b: V, stride: number): V {
  const { ops } = tape;
  const attributes = convolution(stride);
  const y = one(ops, 'BiasAdd', [one(ops, 'Conv2D', [x, w], attributes), b], NHWC);
  return tape.record(y, (dy) => {
    tape.give(b, one(ops, 'BiasAddGrad', [dy], NHWC));
    const wShape = one(ops, 'Shape', [w], shapeOf);
    tape.give(w, one(ops, 'Conv2DBackpropFilter', [x, wShape, dy], attributes));
    if (!tape.watches(x)) return;
    const xShape = one(ops, 'Shape', [x], shapeOf);
    tape.give(x, one(ops, 'Conv2DBackpropInput', [xShape, w, dy], attributes));
  });
}

/** y = the transpose of `conv` with stride 2, + b: [batch, 2·side, 2·side, out]; w: [kernel, kernel, out, in]. */
export function convTranspose<V>(tape: Tape<V>, x: V, w: V, b: V, outputShape: number[]): V {
  const { ops } = tape;
  const attributes = convolution(2);
  const shape = vector(ops, ...outputShape);
  const sum = one(ops, 'Conv2DBackpropInput', [shape, w, x], attributes);
  const y = one(ops, 'BiasAdd', [sum, b], NHWC);
  return tape.record(y, (dy) => {
    tape.give(b, one(ops, 'BiasAddGrad', [dy], NHWC));
    const wShape = one(ops, 'Shape', [w], shapeOf);
    tape.give(w, one(ops, 'Conv2DBackpropFilter', [dy, wShape, x], attributes));
    tape.give(x, one(ops, 'Conv2D', [dy, w], attributes));
  });
}

/** y = x·wᵀ + b, x: [batch, in]. */
export function linear<V>(tape: Tape<V>, x: V, w: V, b: V): V {
  const { ops } = tape;
  const product = (a: V, c: V, transposeA: boolean, transposeB: boolean) =>
    one(ops, 'MatMul', [a, c], {
      T: FLOAT,
      transpose_a: bool(transposeA),
      transpose_b: bool(transposeB),
    });
  const y = one(ops, 'BiasAdd', [product(x, w, false, true), b], NHWC);
  return tape.record(y, (dy) => {
    tape.give(b, one(ops, 'BiasAddGrad', [dy], NHWC));
    tape.give(w, product(dy, x, true, false));
    if (tape.watches(x)) tape.give(x, product(dy, w, false, false));
  });
}

export function relu<V>(tape: Tape<V>, x: V): V {
  const { ops } = tape;
  const y = one(ops, 'Relu', [x]);
  return tape.record(y, (dy) => tape.give(x, one(ops, 'ReluGrad', [dy, y])));
}

/** y[n, h, w, c] = x[n, h, w, c] + e[n, c]: the time embedding, added to every pixel. */
export function addPerChannel<V>(tape: Tape<V>, x: V, e: V, channels: number): V {
  const { ops } = tape;
  const spread = one(ops, 'Reshape', [e, vector(ops, -1, 1, 1, channels)], {
    T: FLOAT,
    Tshape: INT32,
  });
  const y = one(ops, 'AddV2', [x, spread]);
  return tape.record(y, (dy) => {
    tape.give(x, dy);
    const attributes = { T: FLOAT, Tidx: INT32, keep_dims: bool(false) };
    tape.give(e, one(ops, 'Sum', [dy, vector(ops, 1, 2)], attributes));
  });
}

/** Concatenation of two images with equally many channels. */
export function concat<V>(tape: Tape<V>, a: V, b: V): V {
  const { ops } = tape;
  const axis = ops.constant(Int32Array.of(3), []);
  const y = one(ops, 'ConcatV2', [a, b, axis], { T: FLOAT, N: int(2), Tidx: INT32 });
  return tape.record(y, (dy) => {
    const [da, db] = ops.op('Split', [axis, dy], { T: FLOAT, num_split: int(2) }, 2);
    tape.give(a, da!);
    tape.give(b, db!);
  });
}

const EPSILON = float(1e-5);
const batchNormAttributes = (training: boolean) => ({
  ...NHWC,
  U: FLOAT,
  epsilon: EPSILON,
  is_training: bool(training),
});

/** Mean and variance of a batch: f32 [channels]. The variance is the unbiased one, as running statistics take it. */
export interface Statistics<V> {
  readonly mean: V;
  readonly variance: V;
}

/** Batch normalisation by the batch's own statistics, which it returns as well. */
export function batchNorm<V>(
  tape: Tape<V>,
  x: V,
  scale: V,
  offset: V,
): { y: V; statistics: Statistics<V> } {
  const { ops } = tape;
  const attributes = batchNormAttributes(true);
  const empty = ops.constant(new Float32Array(0), [0]);
  const inputs = [x, scale, offset, empty, empty];
  const [y, mean, variance, ...reserve] = ops.op('FusedBatchNormV3', inputs, attributes, 6);
  tape.record(y!, (dy) => {
    const [dx, dScale, dOffset] = ops.op(
      'FusedBatchNormGradV3',
      [dy, x, scale, ...reserve],
      attributes,
      5,
    );
    tape.give(x, dx!);
    tape.give(scale, dScale!);
    tape.give(offset, dOffset!);
  });
  return { y: y!, statistics: { mean: mean!, variance: variance! } };
}

/** Batch normalisation by running statistics; has no gradient here, as only evaluation uses it. */
export function batchNormRunning<V>(
  tape: Tape<V>,
  x: V,
  scale: V,
  offset: V,
  { mean, variance }: Statistics<V>,
): V {
  const inputs = [x, scale, offset, mean, variance];
  return tape.ops.op('FusedBatchNormV3', inputs, batchNormAttributes(false), 6)[0]!;
}

/** (1 − rate)·a + rate·b: the move of a running statistic. */
export function towards<V>(ops: Ops<V>, a: V, b: V, rate: number): V {
  const times = (value: V, factor: number) => one(ops, 'Mul', [value, scalar(ops, factor)]);
  return one(ops, 'AddV2', [times(a, 1 - rate), times(b, rate)]);
}
