import type { Tolerance, Values } from './compare.js';

/*
 * How far two correct answers in f32 may differ. Haze's and PyTorch's differ in the order of their sums and in
 * fused multiply-adds, so each tolerance is a multiple of f32's rounding (6e-8) that grows with the length
 * of the sums behind a value; all are far below 0.05, so that a value off by that much is found in any group.
 */

/** Adam's learning rate in the fixtures, and the ε below its root (PyTorch's default). */
export const LEARNING_RATE = 1e-3;
const ADAM_EPSILON = 1e-8;

/** The same for every element. */
export const constant =
  (tolerance: number): Tolerance =>
  () =>
    tolerance;

/**
 * PyTorch computes its tables in f32. For ᾱ near 1, 1 − ᾱ has an error of half a last bit of 1 (3e-8),
 * which at √(1e-4) is 1.5e-6; a cumulative product of 300 factors loses a few last bits.
 */
export const scheduleTolerance = (expected: Values): Tolerance => relative(expected, 2e-6, 2e-6);

/** The tables' difference, up to 1e-6 in √(1−ᾱ), times noise of up to 5, and the rounding of one product and sum. */
export const NOISING = 1e-5;

/** A pass in evaluation: sums of about a thousand products of values around 1, layer after layer. */
export const EVALUATION = 2e-5;

/** In training, batch statistics divide by the spread of a few values, which magnifies earlier errors. */
export const TRAINING = 1e-4;

/**
 * Losses are means of |ε − ε̂|. The first follows from state0, the second from a state in which only parameters with
 * a gradient near zero may differ. After that no kink is settled (gradients.ts), and one residual that
 * changes sign moves a later loss of a batch of 768 values by 5e-4.
 */
export const lossTolerance: Tolerance = (step) => [1e-5, 1e-4][step] ?? 5e-3;

/** Seven reverse steps, each adding a tenth of a pass's error and the rounding of values around 3. */
export const TRAJECTORY = 5e-5;

/** Batch means and variances, a tenth of which goes into the running ones. */
export const statisticsTolerance = (expected: Values): Tolerance => relative(expected, 2e-6, 1e-5);

/** Counts are exact. */
export const EXACT: Tolerance = () => 0;

/**
 * A gradient sums over batch and pixels with signs that cancel: its error scales with the largest gradients of
 * the tensor, not with its own size.
 */
export const gradientTolerance = (expected: Values): number =>
  Math.min(1e-2, 1e-6 + 2e-4 * largestOf(expected));

/**
 * Outputs and losses of a network without kinks, with group norms in place of batch norms: sums of some hundred products of
 * values around 1, layer after layer, where PyTorch's two memory formats differ by 1e-6.
 */
export const SMOOTH = 1e-5;

/**
 * Gradients of such a network: as above, but no residual or ReLU changes sides. Attention's to_k.bias has no gradient in exact
 * arithmetic, since a softmax ignores a constant added to all of its scores; PyTorch's is rounding, far below 1e-6.
 */
export const smoothGradientTolerance = (expected: Values): number =>
  Math.min(1e-2, 1e-6 + 1e-4 * largestOf(expected));

function largestOf(values: Values): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(Number(values[i])));
  return largest;
}

/**
 * Adam's first step moves a parameter by lr·h(g), h(g) = g / (|g| + ε): nearly lr·sign(g). If the gradient may
 * be off by τ, the step is off by as much as h changes over [g − τ, g + τ]: almost nothing for most, up
 * to 2·lr if the sign itself is within the error.
 */
export const firstStepTolerance = (expected: Values, gradient: Values): Tolerance =>
  firstStep(expected, gradient, gradientTolerance);

/** The same with the gradient tolerance of a smooth network; a weight decay of lr·1e-2 is exact except for rounding. */
export const smoothFirstStepTolerance = (expected: Values, gradient: Values): Tolerance =>
  firstStep(expected, gradient, smoothGradientTolerance);

function firstStep(
  expected: Values,
  gradient: Values,
  toleranceOf: (gradient: Values) => number,
): Tolerance {
  const rounding = relative(expected, 2e-7, 2e-7);
  const tau = toleranceOf(gradient);
  return (i) => {
    const g = Number(gradient[i]);
    const spread = Math.max(step(g + tau) - step(g), step(g) - step(g - tau));
    return rounding(i) + LEARNING_RATE * spread;
  };
}

const step = (g: number): number => g / (Math.abs(g) + ADAM_EPSILON);

/** atol + rtol·|expected|, but at most 0.01. */
const relative =
  (expected: Values, atol: number, rtol: number): Tolerance =>
  (i) =>
    Math.min(1e-2, atol + rtol * Math.abs(Number(expected[i])));

/**
 * A trajectory of a scheduler, relative to its largest value: PyTorch's tables in f32 differ from Haze's by a few last bits per step,
 * and their products of 1,000 factors by 1e-5 in total.
 */
export const schedulerTolerance = (expected: Values, steps: number): number =>
  (steps >= 1000 ? 3e-5 : 1e-5) * largestOf(expected);
