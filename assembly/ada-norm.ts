import { BLOCK } from './constants';
import { F32, madd } from './f32';

/*
 * Adaptive layer norm (Ba et al., 2016; Peebles & Xie, 2023): with mean and variance over the channels of a pixel,
 *   x̂ = (x − mean)/√(variance + eps),  y = x̂·(1 + scale) + shift,
 * where the vectors `scale` and `shift` belong to the image. `real` of `channels` count; the others are padding, in which
 * x, dy, scale and shift are 0, and so are y and dx. scale, shift: [images] rows of `byStride` floats.
 */

/** Sum of the four lanes, always in the same order. */
function sumOf(v: v128): f32 {
  return (
    f32x4.extract_lane(v, 0) +
    f32x4.extract_lane(v, 1) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3))
  );
}

/** −1 in the lanes of channels c to c + 3 below `real`. */
function channelsBelow(real: v128, c: i32): v128 {
  return i32x4.lt_s(i32x4.add(i32x4.splat(c), i32x4(0, 1, 2, 3)), real);
}

/**
 * y from x; saved f32 [rows][2]: mean and 1/σ of each pixel, or null. x, y: [images · pixels] rows of xStride and yStride floats; y
 * may alias x. Items: rows.
 */
export function adaNorm(
  y: F32,
  yStride: usize,
  saved: F32,
  x: F32,
  xStride: usize,
  shift: F32,
  scale: F32,
  byStride: usize,
  pixels: i32,
  channels: i32,
  real: i32,
  eps: f32,
  begin: i32,
  end: i32,
): void {
  const none = f32x4.splat(0);
  const one = f32x4.splat(1);
  const reals = i32x4.splat(real);
  for (let row = begin; row < end; row++) {
    const from = x.at(<usize>row * xStride);
    let low = none;
    let high = none;
    for (let c = 0; c < channels; c += 8) {
      low = f32x4.add(low, from.lanes(c));
      high = f32x4.add(high, from.upperLanes(c));
    }
    const mean = sumOf(f32x4.add(low, high)) / <f32>real;
    const means = f32x4.splat(mean);
    low = none;
    high = none;
    for (let c = 0; c < channels; c += 8) {
      const a = v128.and(f32x4.sub(from.lanes(c), means), channelsBelow(reals, c));
      const b = v128.and(f32x4.sub(from.upperLanes(c), means), channelsBelow(reals, c + 4));
      low = madd(a, a, low);
      high = madd(b, b, high);
    }
    const rate: f32 = <f32>1 / sqrt<f32>(sumOf(f32x4.add(low, high)) / <f32>real + eps);
    if (changetype<usize>(saved) !== 0) {
      saved[<usize>row * 2] = mean;
      saved[<usize>row * 2 + 1] = rate;
    }
    const rates = f32x4.splat(rate);
    const image = <usize>(row / pixels) * byStride;
    const by = scale.at(image);
    const add = shift.at(image);
    const to = y.at(<usize>row * yStride);
    for (let c = 0; c < channels; c += 8) {
      const a = f32x4.mul(f32x4.sub(from.lanes(c), means), rates);
      const b = f32x4.mul(f32x4.sub(from.upperLanes(c), means), rates);
      const p = madd(a, f32x4.add(by.lanes(c), one), add.lanes(c));
      const q = madd(b, f32x4.add(by.upperLanes(c), one), add.upperLanes(c));
      to.setPair(c, v128.and(p, channelsBelow(reals, c)), v128.and(q, channelsBelow(reals, c + 4)));
    }
  }
}

/**
 * dx = (g − mean(g) − x̂·mean(g·x̂))/σ with g = dy·(1 + scale), added to the previous contents if `accumulate`; dx may alias dy.
 * partial f32 [images][blocks][2][channels]: sums of dy·x̂ and of dy, the gradients of scale and shift, over blocks of 256 pixels.
 * Items: images × blocks.
 */
export function adaNormBackward(
  dx: F32,
  dxStride: usize,
  partial: F32,
  dy: F32,
  dyStride: usize,
  x: F32,
  xStride: usize,
  scale: F32,
  byStride: usize,
  saved: F32,
  pixels: i32,
  channels: i32,
  real: i32,
  accumulate: bool,
  begin: i32,
  end: i32,
): void {
  const none = f32x4.splat(0);
  const one = f32x4.splat(1);
  const reals = i32x4.splat(real);
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let item = begin; item < end; item++) {
    const image = item / blocks;
    const first = image * pixels + (item % blocks) * BLOCK;
    const last = min(first + BLOCK, (image + 1) * pixels);
    const by = scale.at(<usize>image * byStride);
    const scales = partial.at(<usize>item * 2 * channels);
    const shifts = scales.at(channels);
    for (let c = 0; c < channels; c += 8) {
      scales.setPair(c, none, none);
      shifts.setPair(c, none, none);
    }
    for (let row = first; row < last; row++) {
      const from = x.at(<usize>row * xStride);
      const gradient = dy.at(<usize>row * dyStride);
      const means = saved.splat(<usize>row * 2);
      const rates = saved.splat(<usize>row * 2 + 1);
      let sum = none;
      let product = none;
      for (let c = 0; c < channels; c += 4) {
        const d = gradient.lanes(c);
        const hat = f32x4.mul(f32x4.sub(from.lanes(c), means), rates);
        const both = f32x4.mul(d, hat);
        scales.setLanes(c, f32x4.add(scales.lanes(c), both));
        shifts.setLanes(c, f32x4.add(shifts.lanes(c), d));
        const factor = f32x4.add(by.lanes(c), one);
        sum = madd(d, factor, sum);
        product = madd(both, factor, product);
      }
      const offset = f32x4.splat(sumOf(sum) / <f32>real);
      const tilt = f32x4.splat(sumOf(product) / <f32>real);
      const to = dx.at(<usize>row * dxStride);
      for (let c = 0; c < channels; c += 4) {
        const hat = f32x4.mul(f32x4.sub(from.lanes(c), means), rates);
        const g = f32x4.mul(gradient.lanes(c), f32x4.add(by.lanes(c), one));
        const rest = f32x4.sub(f32x4.sub(g, offset), f32x4.mul(hat, tilt));
        const value = v128.and(f32x4.mul(rest, rates), channelsBelow(reals, c));
        to.setLanes(c, accumulate ? f32x4.add(to.lanes(c), value) : value);
      }
    }
  }
}
