import { HUBER, L1 } from './constants';
import { F32 } from './f32';
import { F64 } from './f64';
import { padded } from './padded';

/*
 * The loss of each image: for the loss by quarter of the timesteps, and if images have weights (Hang et al., 2023).
 */

/**
 * losses f64 [images] = weight · mean of the distance over an image: |d|, d² or Huber's as in `noiseLoss`, d = estimate − truth.
 * estimate: f32 [images·pixels, padded]; truth: f32 [images·pixels, channels]; weights: f32 [images], or null for 1. Items: images.
 */
export function imageLosses(
  losses: F64,
  estimate: F32,
  truth: F32,
  weights: F32,
  pixels: i32,
  channels: i32,
  kind: i32,
  begin: i32,
  end: i32,
): void {
  const width = padded(channels);
  for (let image = begin; image < end; image++) {
    let sum: f64 = 0;
    for (let i = image * pixels; i < (image + 1) * pixels; i++) {
      let distances: f32 = 0;
      for (let c = 0; c < channels; c++) {
        const d = estimate[<usize>i * width + c] - truth[<usize>(i * channels + c)];
        const a = Mathf.abs(d);
        if (kind === L1) distances += a;
        else distances += kind === HUBER ? (a < 1 ? 0.5 * d * d : a - 0.5) : d * d;
      }
      sum += <f64>distances;
    }
    const weight: f64 = changetype<usize>(weights) === 0 ? 1 : <f64>weights[image];
    losses[image] = (weight * sum) / (<f64>pixels * <f64>channels);
  }
}

/** Multiplies the gradient with respect to each image's output by its weight. gradient: f32 [images, each], where each is a multiple of 8. Items: images. */
export function weighGradient(
  gradient: F32,
  weights: F32,
  each: usize,
  begin: usize,
  end: usize,
): void {
  for (let image = begin; image < end; image++) {
    const weight = weights.splat(image);
    for (let i = image * each; i < (image + 1) * each; i += 4)
      gradient.setLanes(i, f32x4.mul(gradient.lanes(i), weight));
  }
}
