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
interface Normalised<V> {
  readonly y: V;
  readonly statistics: Statistics<V>;
}

/** All of it by TensorFlow's fused operation: for GPUs, where cuDNN does it. */
export function batchNormFused<V>(tape: Tape<V>, x: V, scale: V, offset: V): Normalised<V> {
  const { ops } = tape;
  const empty = ops.constant(new Float32Array(0), [0]);
  const inputs = [x, scale, offset, empty, empty];
  const outputs = ops.op('FusedBatchNormV3', inputs, batchNormAttributes(true), 6);
  const [y, mean, variance, ...reserve] = outputs as [V, V, V, V, V, V];
  recordNorm(tape, { x, y, scale, offset }, reserve);
  return { y, statistics: { mean, variance } };
}

/**
 * On a CPU the fused operation sums a channel's values one by one: over 8 images of 64x64 its variance is off by 1e-4, and
 * what it normalises by 2e-4. Here sums go axis by axis, which keeps f32's precision and takes a hundredth of a
 * training step. `count` is the number of values in a channel.
 */
export function batchNorm<V>(
  tape: Tape<V>,
  x: V,
  scale: V,
  offset: V,
  count: number,
): Normalised<V> {
  const { ops } = tape;
  const mean = channelMean(ops, x);
  const variance = channelMean(ops, one(ops, 'SquaredDifference', [x, mean]));
  const y = normalise(ops, x, scale, offset, { mean, variance });
  const none = ops.constant(new Float32Array(0), [0]);
  recordNorm(tape, { x, y, scale, offset }, [mean, variance, none]);
  const unbiased = scalar(ops, count / Math.max(1, count - 1));
  return { y, statistics: { mean, variance: one(ops, 'Mul', [variance, unbiased]) } };
}

/** The gradient, from what forward left for it: mean, variance (on a GPU its root's inverse), and a workspace. */
function recordNorm<V>(
  tape: Tape<V>,
  { x, y, scale, offset }: { x: V; y: V; scale: V; offset: V },
  reserve: readonly V[],
): void {
  tape.record(y, (dy) => {
    const inputs = [dy, x, scale, ...reserve];
    const outputs = tape.ops.op('FusedBatchNormGradV3', inputs, batchNormAttributes(true), 5);
    const [dx, dScale, dOffset] = outputs as [V, V, V];
    tape.give(x, dx);
    tape.give(scale, dScale);
    tape.give(offset, dOffset);
  });
}

/** Over width, then height, then images. */
function channelMean<V>(ops: Ops<V>, x: V): V {
  const attributes = { T: FLOAT, Tidx: INT32, keep_dims: bool(false) };
  return [2, 1, 0].reduce((sum, axis) => one(ops, 'Mean', [sum, vector(ops, axis)], attributes), x);
}

/** Batch normalisation by running statistics; has no gradient here, as only evaluation uses it. */
export const batchNormRunning = <V>(
  tape: Tape<V>,
  x: V,
  scale: V,
  offset: V,
  running: Statistics<V>,
): V => normalise(tape.ops, x, scale, offset, running);

/** scale·(x − mean)/√(variance + ε) + offset. */
function normalise<V>(ops: Ops<V>, x: V, scale: V, offset: V, by: Statistics<V>): V {
  const inputs = [x, scale, offset, by.mean, by.variance];
  return ops.op('FusedBatchNormV3', inputs, batchNormAttributes(false), 6)[0]!;
}

/** (1 − rate)·a + rate·b: the move of a running statistic. */
export function towards<V>(ops: Ops<V>, a: V, b: V, rate: number): V {
  const times = (value: V, factor: number) => one(ops, 'Mul', [value, scalar(ops, factor)]);
  return one(ops, 'AddV2', [times(a, 1 - rate), times(b, rate)]);
}
