/** Batch normalisation with TensorFlow's operations, with its gradient. Images are f32 NHWC. */
import { add, multiply, reduce } from './calls.js';
import { bool, FLOAT, float, type Ops, one, scalar, string } from './ops.js';
import type { Tape } from './tape.js';

const attributes = (eps: number, training: boolean) => ({
  T: FLOAT,
  U: FLOAT,
  data_format: string('NHWC'),
  epsilon: float(eps),
  is_training: bool(training),
});

/** A norm's parameters, and the ε under its root. */
export interface Affine<V> {
  readonly scale: V;
  readonly offset: V;
  readonly eps: number;
}

/** Mean and variance of a batch: f32 [channels]. The variance is the unbiased one, which running statistics use. */
export interface Statistics<V> {
  readonly mean: V;
  readonly variance: V;
}

/** Batch normalisation by the batch's own statistics, which are also returned. */
interface Normalised<V> {
  readonly y: V;
  readonly statistics: Statistics<V>;
}

/** Computed by TensorFlow's fused operation: for GPUs, where cuDNN implements it. */
export function batchNormFused<V>(tape: Tape<V>, x: V, affine: Affine<V>): Normalised<V> {
  const { ops } = tape;
  const empty = ops.constant(new Float32Array(0), [0]);
  const inputs = [x, affine.scale, affine.offset, empty, empty];
  const outputs = ops.op('FusedBatchNormV3', inputs, attributes(affine.eps, true), 6);
  const [y, mean, variance, ...reserve] = outputs as [V, V, V, V, V, V];
  recordNorm(tape, { x, y, ...affine }, reserve);
  return { y, statistics: { mean, variance } };
}

/**
 * On a CPU the fused operation sums a channel's values sequentially: over 8 images of 64x64 its variance is off by 1e-4, and
 * the values used for normalising by 2e-4. Here sums go axis by axis, which keeps f32's precision and takes a hundredth of a
 * training step. `count` is the number of values in a channel.
 */
export function batchNorm<V>(tape: Tape<V>, x: V, affine: Affine<V>, count: number): Normalised<V> {
  const { ops } = tape;
  const mean = channelMean(ops, x);
  const variance = channelMean(ops, one(ops, 'SquaredDifference', [x, mean]));
  const y = normalise(ops, x, affine, { mean, variance });
  const none = ops.constant(new Float32Array(0), [0]);
  recordNorm(tape, { x, y, ...affine }, [mean, variance, none]);
  const unbiased = scalar(ops, count / Math.max(1, count - 1));
  return { y, statistics: { mean, variance: multiply(ops, variance, unbiased) } };
}

/** The gradient, from what the forward pass saved: mean, variance (on a GPU the inverse of its root), and a workspace. */
function recordNorm<V>(
  tape: Tape<V>,
  { x, y, scale, offset, eps }: Affine<V> & { x: V; y: V },
  reserve: readonly V[],
): void {
  tape.record(y, (dy) => {
    const inputs = [dy, x, scale, ...reserve];
    const outputs = tape.ops.op('FusedBatchNormGradV3', inputs, attributes(eps, true), 5);
    const [dx, dScale, dOffset] = outputs as [V, V, V];
    tape.give(x, dx);
    tape.give(scale, dScale);
    tape.give(offset, dOffset);
  });
}

/** Over width, then height, then images. */
const channelMean = <V>(ops: Ops<V>, x: V): V => reduce(ops, 'Mean', x, [2, 1, 0]);

/** Batch normalisation by running statistics; without gradient, since only evaluation uses it. */
export const batchNormRunning = <V>(
  tape: Tape<V>,
  x: V,
  affine: Affine<V>,
  running: Statistics<V>,
): V => normalise(tape.ops, x, affine, running);

/** scale·(x − mean)/√(variance + ε) + offset. */
function normalise<V>(
  ops: Ops<V>,
  x: V,
  { scale, offset, eps }: Affine<V>,
  { mean, variance }: Statistics<V>,
): V {
  const inputs = [x, scale, offset, mean, variance];
  return ops.op('FusedBatchNormV3', inputs, attributes(eps, false), 6)[0]!;
}

/** (1 − rate)·a + rate·b: the update of a running statistic. */
export function towards<V>(ops: Ops<V>, a: V, b: V, rate: number): V {
  const times = (value: V, factor: number) => multiply(ops, value, scalar(ops, factor));
  return add(ops, times(a, 1 - rate), times(b, rate));
}
