import { exp2 } from '../exp';
import { F32 } from '../f32';

/*
 * Softmax of eight queries at a time. Scores come as [keys][8 queries], so that each lane is a query and nothing is summed
 * across lanes; they are in units of log 2, so that a power of two does for the exponential. Their number is rounded up to a
 * multiple of four, the last key repeated: that changes no maximum, and what is beyond `keys` is 0 among the weights.
 * Weights leave as two halves [keys][4 queries], `step` floats apart.
 */

/** maxima[8] = the greatest score of each query. */
export function greatest(maxima: F32, scores: F32, keys: usize): void {
  let m00 = scores.lanes(0);
  let m01 = scores.lanes(4);
  let m10 = scores.lanes(8);
  let m11 = scores.lanes(12);
  let m20 = scores.lanes(16);
  let m21 = scores.lanes(20);
  let m30 = scores.lanes(24);
  let m31 = scores.lanes(28);
  for (let key: usize = 4; key < keys; key += 4) {
    scores = scores.at(32);
    m00 = f32x4.pmax(m00, scores.lanes(0));
    m01 = f32x4.pmax(m01, scores.lanes(4));
    m10 = f32x4.pmax(m10, scores.lanes(8));
    m11 = f32x4.pmax(m11, scores.lanes(12));
    m20 = f32x4.pmax(m20, scores.lanes(16));
    m21 = f32x4.pmax(m21, scores.lanes(20));
    m30 = f32x4.pmax(m30, scores.lanes(24));
    m31 = f32x4.pmax(m31, scores.lanes(28));
  }
  maxima.setLanes(0, f32x4.pmax(f32x4.pmax(m00, m10), f32x4.pmax(m20, m30)));
  maxima.setLanes(4, f32x4.pmax(f32x4.pmax(m01, m11), f32x4.pmax(m21, m31)));
}

/** weights = 2^(score − maximum), not yet divided by their sums; sums[8] of them. */
export function exponentiate(
  weights: F32,
  step: usize,
  sums: F32,
  scores: F32,
  maxima: F32,
  keys: usize,
): void {
  const m0 = maxima.lanes(0);
  const m1 = maxima.lanes(4);
  // Keys by their place modulo 2, so that the sums wait less for each other, and round less.
  let even0 = f32x4.splat(0);
  let even1 = even0;
  let odd0 = even0;
  let odd1 = even0;
  let key: usize = 0;
  for (; key + 2 <= keys; key += 2) {
    const a0 = exp2(f32x4.sub(scores.lanes(0), m0));
    const a1 = exp2(f32x4.sub(scores.lanes(4), m1));
    weights.setLanes(0, a0);
    weights.setLanes(step, a1);
    even0 = f32x4.add(even0, a0);
    even1 = f32x4.add(even1, a1);
    const b0 = exp2(f32x4.sub(scores.lanes(8), m0));
    const b1 = exp2(f32x4.sub(scores.lanes(12), m1));
    weights.setLanes(4, b0);
    weights.setLanes(step + 4, b1);
    odd0 = f32x4.add(odd0, b0);
    odd1 = f32x4.add(odd1, b1);
    scores = scores.at(16);
    weights = weights.at(8);
  }
  if (key < keys) {
    const a0 = exp2(f32x4.sub(scores.lanes(0), m0));
    const a1 = exp2(f32x4.sub(scores.lanes(4), m1));
    weights.setLanes(0, a0);
    weights.setLanes(step, a1);
    even0 = f32x4.add(even0, a0);
    even1 = f32x4.add(even1, a1);
    weights = weights.at(4);
  }
  clearRest(weights, step, keys);
  sums.setLanes(0, f32x4.add(even0, odd0));
  sums.setLanes(4, f32x4.add(even1, odd1));
}

/**
 * Through the softmax: weights = 2^(score − maximum), gradients = weight · (dots − means), with the dots Σ dout · v as
 * [keys][8 queries] and the means[8] Σ dout · out.
 */
export function differentiate(
  weights: F32,
  gradients: F32,
  step: usize,
  scores: F32,
  dots: F32,
  maxima: F32,
  means: F32,
  keys: usize,
): void {
  const m0 = maxima.lanes(0);
  const m1 = maxima.lanes(4);
  const d0 = means.lanes(0);
  const d1 = means.lanes(4);
  for (let key: usize = 0; key < keys; key++) {
    const a0 = exp2(f32x4.sub(scores.lanes(0), m0));
    const a1 = exp2(f32x4.sub(scores.lanes(4), m1));
    weights.setLanes(0, a0);
    weights.setLanes(step, a1);
    gradients.setLanes(0, f32x4.mul(a0, f32x4.sub(dots.lanes(0), d0)));
    gradients.setLanes(step, f32x4.mul(a1, f32x4.sub(dots.lanes(4), d1)));
    scores = scores.at(8);
    dots = dots.at(8);
    weights = weights.at(4);
    gradients = gradients.at(4);
  }
  clearRest(weights, step, keys);
  clearRest(gradients, step, keys);
}

/** Zeros from key `keys` to the next multiple of four. */
function clearRest(weights: F32, step: usize, keys: usize): void {
  const zero = f32x4.splat(0);
  for (; keys & 3; keys++) {
    weights.setLanes(0, zero);
    weights.setLanes(step, zero);
    weights = weights.at(4);
  }
}
