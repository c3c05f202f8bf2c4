import { BLOCK, NORM_CHANNELS, NORM_PIXELS } from './constants';
import { F32, madd } from './f32';
import { I32 } from './i32';
import { blockMoments } from './moments';
import {
  C2,
  C3,
  C4,
  C5,
  C6,
  HIGHEST,
  LN2_HIGH,
  LN2_LOW,
  LOWEST,
  MINUS_LOG2E,
  MINUS_ONE,
  ONE,
  ROUND,
  Silu,
} from './silu';

/*
 * Group normalisation (Wu & He, 2018) of r + add, with r: f32 [images, pixels, stride] and a vector `add` for each image:
 *   x̂ = (r + add − mean)/√(variance + eps),  z = x̂·weight + bias,  with film z = (x̂·weight + bias)·(1 + s) + h,
 * then y = silu(z) or z. Mean and variance are those of a group of channels over all pixels of an image.
 * members: i32 [channels], the group of each channel, −1 for padding, which may lie between channels of one group. Groups
 * come in ascending order and have `per` channels each. add: [images] rows of `addStride` floats, or null; film: [images]
 * rows of `filmStride` floats, each s [channels] and h [channels], or null. Padding is written as 0.
 */

/**
 * Mean and sum of squared deviations of each channel in each block of 256 pixels of each image: partial
 * f32 [images][blocks][2][channels]. Items: images × blocks × groups of 32 channels.
 */
export function groupNormMoments(
  partial: F32,
  x: F32,
  stride: usize,
  pixels: i32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  const parts = (channels + NORM_CHANNELS - 1) / NORM_CHANNELS;
  for (let item = begin; item < end; item++) {
    const row = item / parts;
    const channel = (item % parts) * NORM_CHANNELS;
    const block = row % blocks;
    const first = (row / blocks) * pixels + block * BLOCK;
    const count = min(BLOCK, pixels - block * BLOCK);
    const some = min(NORM_CHANNELS, channels - channel);
    const to = partial.at(<usize>(row * 2 * channels + channel));
    blockMoments(to, x.at(<usize>first * stride + channel), count, stride, some, channels);
  }
}

/**
 * Combines the blocks and the channels of each group. affine [images][2][channels]: scale and shift of the whole map from r to z.
 * saved [images][2][channels]: mean − add and 1/σ, so that x̂ = (r − saved₀)·saved₁. Items: images × groups.
 */
export function groupNormFinish(
  affine: F32,
  saved: F32,
  partial: F32,
  weight: F32,
  bias: F32,
  members: I32,
  add: F32,
  addStride: usize,
  film: F32,
  filmStride: usize,
  pixels: i32,
  channels: i32,
  groups: i32,
  per: i32,
  eps: f64,
  begin: i32,
  end: i32,
): void {
  const elements = <f64>per * <f64>pixels;
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  // Where the first item's group begins: at the end of the one before it.
  let first = begin % groups > 0 ? groupEnd(members, 0, channels, (begin % groups) - 1) : 0;
  for (let item = begin; item < end; item++) {
    const image = item / groups;
    const group = item % groups;
    if (group === 0) first = 0;
    const last = groupEnd(members, first, channels, group);
    const moments = partial.at(<usize>(image * blocks * 2 * channels));
    const kept = saved.at(<usize>(image * 2 * channels));
    const vector = rowOf(add, image, addStride);
    const mean = groupSum(moments, members, vector, first, last, pixels, channels) / elements;
    const squares = groupSquares(moments, members, vector, mean, first, last, pixels, channels);
    const inverse = 1 / Math.sqrt(squares / elements + eps);
    for (let c = first; c < last; c++) {
      const real = members[c] >= 0;
      kept[c] = real ? <f32>(mean - valueAt(vector, c)) : 0;
      kept[channels + c] = real ? <f32>inverse : 0;
    }
    const to = affine.at(<usize>(image * 2 * channels));
    const by = rowOf(film, image, filmStride);
    groupAffine(to, kept, weight, bias, by, first, last, channels);
    first = last;
  }
}

/** The end of a group's channels, including padding after them. */
export function groupEnd(members: I32, first: i32, channels: i32, group: i32): i32 {
  let c = first;
  while (c < channels && members[c] <= group) c++;
  return c;
}

/** Sum of r + vector over the channels [first, last) of an image. */
function groupSum(
  moments: F32,
  members: I32,
  vector: F32,
  first: i32,
  last: i32,
  pixels: i32,
  channels: i32,
): f64 {
  let sum: f64 = 0;
  for (let c = first; c < last; c++) {
    if (members[c] < 0) continue;
    const shift = valueAt(vector, c);
    for (let pixel = 0, at = c; pixel < pixels; pixel += BLOCK, at += 2 * channels) {
      sum += <f64>min(BLOCK, pixels - pixel) * (<f64>moments[at] + shift);
    }
  }
  return sum;
}

/** Sum of their squared deviations from `mean`. */
function groupSquares(
  moments: F32,
  members: I32,
  vector: F32,
  mean: f64,
  first: i32,
  last: i32,
  pixels: i32,
  channels: i32,
): f64 {
  let sum: f64 = 0;
  for (let c = first; c < last; c++) {
    if (members[c] < 0) continue;
    const shift = valueAt(vector, c) - mean;
    for (let pixel = 0, at = c; pixel < pixels; pixel += BLOCK, at += 2 * channels) {
      const delta = <f64>moments[at] + shift;
      sum += <f64>moments[at + channels] + <f64>min(BLOCK, pixels - pixel) * delta * delta;
    }
  }
  return sum;
}

/** Scale and shift of an image's channels [first, last) from its saved values. They are 0 where 1/σ is, for padding. */
function groupAffine(
  to: F32,
  saved: F32,
  weight: F32,
  bias: F32,
  film: F32,
  first: i32,
  last: i32,
  channels: i32,
): void {
  for (let c = first; c < last; c++) {
    const inverse = <f64>saved[channels + c];
    const stretch = 1 + valueAt(film, c);
    const scale = <f64>weight[c] * inverse * stretch;
    const shift = <f64>bias[c] * stretch + valueAt(film, channels + c) - <f64>saved[c] * scale;
    const real = inverse > 0;
    to[c] = real ? <f32>scale : 0;
    to[channels + c] = real ? <f32>shift : 0;
  }
}

/** The row of an image, or null where there are none. */
export function rowOf(rows: F32, image: i32, stride: usize): F32 {
  return changetype<usize>(rows) === 0 ? rows : rows.at(<usize>image * stride);
}

/** Element i of a row, or 0 without a row. */
export function valueAt(row: F32, i: usize): f64 {
  return changetype<usize>(row) === 0 ? 0 : <f64>row[i];
}

/** y = silu(x·scale + shift) with activation 1, without silu with 0; y may alias x. Items: images × groups of 32 pixels. */
export function groupNormApply(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  affine: F32,
  pixels: i32,
  channels: i32,
  activation: i32,
  begin: i32,
  end: i32,
): void {
  const parts = (pixels + NORM_PIXELS - 1) / NORM_PIXELS;
  for (let item = begin; item < end; item++) {
    const image = item / parts;
    const pixel = (item % parts) * NORM_PIXELS;
    const first = image * pixels + pixel;
    const count = min(NORM_PIXELS, pixels - pixel);
    const scales = affine.at(<usize>(image * 2 * channels));
    const to = y.at(<usize>first * yStride);
    const from = x.at(<usize>first * xStride);
    if (activation) applySilu(to, yStride, from, xStride, scales, channels, count);
    else applyAffine(to, yStride, from, xStride, scales, channels, count);
  }
}

/** A pixel, eight channels at a time; the upper four first, so that V8 joins them (see `winograd/wide.ts`). */
function applySilu(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  affine: F32,
  channels: usize,
  rows: i32,
): void {
  const lowest = f32x4.splat(LOWEST);
  const highest = f32x4.splat(HIGHEST);
  const minusLog2e = f32x4.splat(MINUS_LOG2E);
  const round = f32x4.splat(ROUND);
  const ln2High = f32x4.splat(LN2_HIGH);
  const ln2Low = f32x4.splat(LN2_LOW);
  const c6 = f32x4.splat(C6);
  const c5 = f32x4.splat(C5);
  const c4 = f32x4.splat(C4);
  const c3 = f32x4.splat(C3);
  const c2 = f32x4.splat(C2);
  const minusOne = f32x4.splat(MINUS_ONE);
  const one = f32x4.splat(ONE);
  do {
    let to = changetype<usize>(y);
    let from = changetype<usize>(x);
    let scale = changetype<usize>(affine);
    let shift = scale + 4 * channels;
    const last = shift;
    do {
      let low = madd(v128.load(from), v128.load(scale), v128.load(shift));
      let high = madd(v128.load(from, 16), v128.load(scale, 16), v128.load(shift, 16));
      low = f32x4.pmax(low, lowest);
      high = f32x4.pmax(high, lowest);
      v128.store(
        to,
        Silu.value(
          high,
          highest,
          minusLog2e,
          round,
          ln2High,
          ln2Low,
          c6,
          c5,
          c4,
          c3,
          c2,
          minusOne,
          one,
        ),
        16,
      );
      v128.store(
        to,
        Silu.value(
          low,
          highest,
          minusLog2e,
          round,
          ln2High,
          ln2Low,
          c6,
          c5,
          c4,
          c3,
          c2,
          minusOne,
          one,
        ),
      );
      to += 32;
      from += 32;
      scale += 32;
      shift += 32;
    } while (scale < last);
    y = y.at(yStride);
    x = x.at(xStride);
  } while (--rows > 0);
}

function applyAffine(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  affine: F32,
  channels: usize,
  rows: i32,
): void {
  do {
    let to = changetype<usize>(y);
    let from = changetype<usize>(x);
    let scale = changetype<usize>(affine);
    let shift = scale + 4 * channels;
    const last = shift;
    do {
      const low = madd(v128.load(from), v128.load(scale), v128.load(shift));
      const high = madd(v128.load(from, 16), v128.load(scale, 16), v128.load(shift, 16));
      v128.store(to, high, 16);
      v128.store(to, low);
      to += 32;
      from += 32;
      scale += 32;
      shift += 32;
    } while (scale < last);
    y = y.at(yStride);
    x = x.at(xStride);
  } while (--rows > 0);
}
