/**
 * The U-Net's layers in TensorFlow's fused operations, each with its gradient. Images are f32 NHWC, linear weights
 * [out, in].
 */
import type { ConvolutionMaps } from './convolution.js';
import { bool, FLOAT, float, INT32, int, type Ops, one, scalar, string, vector } from './ops.js';
import type { Tape } from './tape.js';

const NHWC = { T: FLOAT, data_format: string('NHWC') };

/** A convolution with its weights. */
export interface Filter<V> {
  readonly maps: ConvolutionMaps<V>;
  /** The weights in the form that `maps` takes. */
  readonly form: V;
  /** The parameter that their gradient is for; undefined where none is asked for. */
  readonly parameter: V | undefined;
}

/** y = x ∗ w + b. */
export function conv<V>(tape: Tape<V>, x: V, { maps, form, parameter }: Filter<V>, b: V): V {
  const { ops } = tape;
  const image = maps.image(x);
  const y = one(ops, 'BiasAdd', [maps.forward(image, form), b], NHWC);
  return tape.record(y, (dy) => {
    tape.give(b, one(ops, 'BiasAddGrad', [dy], NHWC));
    const gradient = maps.gradient(dy);
    if (parameter !== undefined) tape.give(parameter, maps.weightGradient(image, gradient));
    if (tape.watches(x)) tape.give(x, maps.imageGradient(gradient, form));
  });
}

/** The transpose of `conv`, + b: x [batch, side, side, in] to [batch, 2·side, 2·side, out]. */
export function convTranspose<V>(
  tape: Tape<V>,
  x: V,
  { maps, form, parameter }: Filter<V>,
  b: V,
): V {
  const { ops } = tape;
  const gradient = maps.gradient(x);
  const y = one(ops, 'BiasAdd', [maps.imageGradient(gradient, form), b], NHWC);
  return tape.record(y, (dy) => {
    tape.give(b, one(ops, 'BiasAddGrad', [dy], NHWC));
    const image = maps.image(dy);
    if (parameter !== undefined) tape.give(parameter, maps.weightGradient(image, gradient));
    tape.give(x, maps.forward(image, form));
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
