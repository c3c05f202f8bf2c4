import { C0, C1, C2, C3, C4, C5, C6, Exp2, LOWEST, ROUND } from '../exp';
import { F32 } from '../f32';

/*
 * Softmax of eight queries at a time. Scores are [keys][8 queries], so that each lane is a query and there are no sums
 * across lanes; they are in units of log 2, so that the exponential is a power of two. Their number is rounded up to a
 * multiple of four by repeating the last key: that changes no maximum, and the weights beyond `keys` are 0.
 * Weights are [keys][8 queries] too.
 */

/** maxima[8] = the largest score of each query. */
export function greatest(maxima: F32, scores: F32, keys: usize): void {
  let m00 = scores.lanes(0);
  let m01 = scores.upperLanes(0);
  let m10 = scores.lanes(8);
  let m11 = scores.upperLanes(8);
  let m20 = scores.lanes(16);
  let m21 = scores.upperLanes(16);
  let m30 = scores.lanes(24);
  let m31 = scores.upperLanes(24);
  for (let key: usize = 4; key < keys; key += 4) {
    scores = scores.at(32);
    m00 = f32x4.pmax(m00, scores.lanes(0));
    m01 = f32x4.pmax(m01, scores.upperLanes(0));
    m10 = f32x4.pmax(m10, scores.lanes(8));
    m11 = f32x4.pmax(m11, scores.upperLanes(8));
    m20 = f32x4.pmax(m20, scores.lanes(16));
    m21 = f32x4.pmax(m21, scores.upperLanes(16));
    m30 = f32x4.pmax(m30, scores.lanes(24));
    m31 = f32x4.pmax(m31, scores.upperLanes(24));
  }
  const low = f32x4.pmax(f32x4.pmax(m00, m10), f32x4.pmax(m20, m30));
  maxima.setPair(0, low, f32x4.pmax(f32x4.pmax(m01, m11), f32x4.pmax(m21, m31)));
}

/** weights = 2^(score − maximum), not yet divided by their sums; sums[8] are those sums. */
export function exponentiate(weights: F32, sums: F32, scores: F32, maxima: F32, keys: usize): void {
  Weights.exponentiate(false, weights, sums, scores, maxima, keys);
}

/** The same for maxima of 0, when `bounded` says that none are needed. */
export function exponentiateBounded(weights: F32, sums: F32, scores: F32, keys: usize): void {
  Weights.exponentiate(true, weights, sums, scores, scores, keys);
}

/**
 * Backward through the softmax: weights = 2^(score − maximum), gradients = weight · (dots − means), with the dots Σ dout · v as
 * [keys][8 queries] and the means[8] Σ dout · out.
 */
export function differentiate(
  weights: F32,
  gradients: F32,
  scores: F32,
  dots: F32,
  maxima: F32,
  means: F32,
  keys: usize,
): void {
  Weights.differentiate(false, weights, gradients, scores, dots, maxima, means, keys);
}

/** The same for maxima of 0. */
export function differentiateBounded(
  weights: F32,
  gradients: F32,
  scores: F32,
  dots: F32,
  means: F32,
  keys: usize,
): void {
  Weights.differentiate(true, weights, gradients, scores, dots, scores, means, keys);
}

/** Keys whose weights are summed before their sum is added to the total: shorter sums round less. */
const BLOCK: usize = 64;

/** A class only for its inlined methods, for which `within` is a constant: whether scores are used without maxima. */
@unmanaged
class Weights {
  /** The argument of the power of two. */
  @inline
  static exponent(within: bool, score: v128, maximum: v128, lowest: v128): v128 {
    return within ? score : f32x4.pmax(f32x4.sub(score, maximum), lowest);
  }

  @inline
  static exponentiate(
    within: bool,
    weights: F32,
    sums: F32,
    scores: F32,
    maxima: F32,
    keys: usize,
  ): void {
    const low = f32x4.splat(LOWEST);
    const round = f32x4.splat(ROUND);
    const c6 = f32x4.splat(C6);
    const c5 = f32x4.splat(C5);
    const c4 = f32x4.splat(C4);
    const c3 = f32x4.splat(C3);
    const c2 = f32x4.splat(C2);
    const c1 = f32x4.splat(C1);
    const c0 = f32x4.splat(C0);
    const m0 = within ? low : maxima.lanes(0);
    const m1 = within ? low : maxima.upperLanes(0);
    let total0 = f32x4.splat(0);
    let total1 = total0;
    for (let first: usize = 0; first < keys; first += BLOCK) {
      let sum0 = f32x4.splat(0);
      let sum1 = sum0;
      for (let key = min(BLOCK, keys - first); key > 0; key--) {
        const y0 = Weights.exponent(within, scores.lanes(0), m0, low);
        const p0 = Exp2.power(y0, round, c6, c5, c4, c3, c2, c1, c0);
        const y1 = Weights.exponent(within, scores.upperLanes(0), m1, low);
        const p1 = Exp2.power(y1, round, c6, c5, c4, c3, c2, c1, c0);
        weights.setPair(0, p0, p1);
        sum0 = f32x4.add(sum0, p0);
        sum1 = f32x4.add(sum1, p1);
        scores = scores.at(8);
        weights = weights.at(8);
      }
      total0 = f32x4.add(total0, sum0);
      total1 = f32x4.add(total1, sum1);
    }
    clearRest(weights, keys);
    sums.setPair(0, total0, total1);
  }

  @inline
  static differentiate(
    within: bool,
    weights: F32,
    gradients: F32,
    scores: F32,
    dots: F32,
    maxima: F32,
    means: F32,
    keys: usize,
  ): void {
    const low = f32x4.splat(LOWEST);
    const round = f32x4.splat(ROUND);
    const c6 = f32x4.splat(C6);
    const c5 = f32x4.splat(C5);
    const c4 = f32x4.splat(C4);
    const c3 = f32x4.splat(C3);
    const c2 = f32x4.splat(C2);
    const c1 = f32x4.splat(C1);
    const c0 = f32x4.splat(C0);
    const m0 = within ? low : maxima.lanes(0);
    const m1 = within ? low : maxima.upperLanes(0);
    const d0 = means.lanes(0);
    const d1 = means.upperLanes(0);
    for (let key = keys; key > 0; key--) {
      const y0 = Weights.exponent(within, scores.lanes(0), m0, low);
      const p0 = Exp2.power(y0, round, c6, c5, c4, c3, c2, c1, c0);
      const y1 = Weights.exponent(within, scores.upperLanes(0), m1, low);
      const p1 = Exp2.power(y1, round, c6, c5, c4, c3, c2, c1, c0);
      weights.setPair(0, p0, p1);
      const g0 = f32x4.mul(p0, f32x4.sub(dots.lanes(0), d0));
      const g1 = f32x4.mul(p1, f32x4.sub(dots.upperLanes(0), d1));
      gradients.setPair(0, g0, g1);
      scores = scores.at(8);
      dots = dots.at(8);
      weights = weights.at(8);
      gradients = gradients.at(8);
    }
    clearRest(weights, keys);
    clearRest(gradients, keys);
  }
}

/** Zeros from key `keys` to the next multiple of four. */
function clearRest(weights: F32, keys: usize): void {
  const zero = f32x4.splat(0);
  for (; keys & 3; keys++) {
    weights.setPair(0, zero, zero);
    weights = weights.at(8);
  }
}
