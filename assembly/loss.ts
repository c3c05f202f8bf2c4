import { BLOCK, L1, L2 } from './constants';
import { F32 } from './f32';
import { F64 } from './f64';
import { padded } from './padded';

/**
 * Loss on the noise and its gradient, Ho et al. (2020) eq. 14 with a choice of distance: mean over all elements of
 * |d|, d² or Huber's (δ = 1: d²/2 within, |d| − 1/2 beyond), d = ε̂ − ε.
 * gradient: f32 [pixels, padded] (padding zero); epsilon: ε̂ f32 [pixels, padded]; noise: ε f32 [pixels, channels];
 * partial: f64 [blocks], sums of 256 pixels. kind: 0 L1, 1 L2, 2 Huber. Items: blocks.
 */
export function noiseLoss(
  gradient: F32,
  partial: F64,
  epsilon: F32,
  noise: F32,
  pixels: i32,
  channels: i32,
  kind: i32,
  begin: i32,
  end: i32,
): void {
  const inverse = <f32>(1 / (<f64>pixels * <f64>channels));
  const none = f32x4.splat(0);
  const width = padded(channels);
  for (let block = begin; block < end; block++) {
    let sum: f64 = 0;
    for (let i = block * BLOCK, last = min(i + BLOCK, pixels); i < last; i++) {
      const out = gradient.at(<usize>i * width);
      out.setLanes(width - 8, none);
      out.setLanes(width - 4, none);
      const estimate = epsilon.at(<usize>i * width);
      const truth = noise.at(<usize>(i * channels));
      let distances: f32 = 0;
      for (let c = 0; c < channels; c++) {
        const d = estimate[c] - truth[c];
        distances += distance(d, kind);
        out[c] = slope(d, kind) * inverse;
      }
      sum += <f64>distances;
    }
    partial[block] = sum;
  }
}

function distance(d: f32, kind: i32): f32 {
  const a = Mathf.abs(d);
  if (kind === L1) return a;
  if (kind === L2) return d * d;
  return a < 1 ? 0.5 * d * d : a - 0.5;
}

function slope(d: f32, kind: i32): f32 {
  if (kind === L2) return 2 * d;
  if (kind !== L1 && Mathf.abs(d) < 1) return d;
  // The sign, without an unpredictable branch.
  return Mathf.abs(d) > 0 ? copysign<f32>(1, d) : d;
}

/** out f64 [1] = Σ partial / elements. Items: 1. */
export function finishLoss(
  out: F64,
  partial: F64,
  blocks: i32,
  elements: f64,
  begin: i32,
  end: i32,
): void {
  for (let item = begin; item < end; item++) {
    let sum: f64 = 0;
    for (let i = 0; i < blocks; i++) sum += partial[i];
    out[item] = sum / elements;
  }
}
