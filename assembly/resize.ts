import { F32 } from './f32';
import { U8 } from './u8';
import { U32 } from './u32';

/*
 * Antialiased bilinear scaling, as defined by PIL and torchvision (antialias=True): along each axis an
 * output position i is centred at c = start + (i + ½)·s in the input, s = extent/outSize, and takes the mean of
 * the samples x around it under the triangle max(0, 1 − |x + ½ − c|/r), r = max(s, 1), cut off at the
 * borders. [start, start + extent) is the part of the axis that is scaled, PIL's `box`: all of it is
 * [0, inSize). It may extend beyond the samples by less than r/2, e.g. if a decoder dropped the last one.
 * Rows are blended first: a few weights for whole rows of bytes suit SIMD.
 */

/** The most input samples for an output position. */
export function resizeTaps(extent: f64, outSize: usize): usize {
  return 2 * <usize>Math.ceil(radius(extent, outSize)) + 1;
}

/**
 * The samples and weights of the output positions of one axis.
 * bounds: u32[outSize][2] = first sample and their number, at most taps = resizeTaps(extent, outSize);
 * weights: f32[outSize][taps], of sum 1. Items are the output positions.
 */
export function resizeWeights(
  bounds: U32,
  weights: F32,
  inSize: usize,
  start: f64,
  extent: f64,
  outSize: usize,
  taps: usize,
  begin: usize,
  end: usize,
): void {
  const r = radius(extent, outSize);
  for (let i = begin; i < end; i++) {
    const centre = start + ((<f64>i + 0.5) * extent) / <f64>outSize;
    const first = <usize>Math.max(centre - r + 0.5, 0);
    const count = min(<usize>(centre + r + 0.5), inSize) - first;
    let sum: f64 = 0;
    for (let k: usize = 0; k < count; k++) sum += triangle(first + k, centre, r);
    for (let k: usize = 0; k < count; k++) {
      weights[i * taps + k] = <f32>(triangle(first + k, centre, r) / sum);
    }
    bounds[2 * i] = <u32>first;
    bounds[2 * i + 1] = <u32>count;
  }
}

/**
 * Scales an image; 8-bit levels are rounded once, at the end.
 * out: u8[outHeight][outWidth][channels]; pixels: u8[height][width][channels], channels 1 to 4;
 * row: f32[width·channels + 3], this worker's own scratch; the tables are those of resizeWeights for
 * rows (height to outHeight) and columns (width to outWidth). Items are the output rows.
 */
export function resize(
  out: U8,
  pixels: U8,
  row: F32,
  rowBounds: U32,
  rowWeights: F32,
  rowTaps: usize,
  columnBounds: U32,
  columnWeights: F32,
  columnTaps: usize,
  width: usize,
  outWidth: usize,
  channels: usize,
  begin: usize,
  end: usize,
): void {
  const stride = width * channels;
  for (let y = begin; y < end; y++) {
    const first = <usize>rowBounds[2 * y];
    const count = <usize>rowBounds[2 * y + 1];
    blendRows(row, pixels.at(first * stride), rowWeights.at(y * rowTaps), count, stride);
    for (let x: usize = 0; x < outWidth; x++) {
      const samples = row.at(<usize>columnBounds[2 * x] * channels);
      const taps = <usize>columnBounds[2 * x + 1];
      const mean = blendPixels(samples, columnWeights.at(x * columnTaps), taps, channels);
      storePixel(out.at((y * outWidth + x) * channels), mean, channels);
    }
  }
}

function radius(extent: f64, outSize: usize): f64 {
  return Math.max(extent / <f64>outSize, 1);
}

function triangle(sample: usize, centre: f64, r: f64): f64 {
  return Math.max(0, 1 - Math.abs(<f64>sample + 0.5 - centre) / r);
}

/** row[j] = Σ_k weights[k]·pixels[k·stride + j] for j in [0, stride). */
function blendRows(row: F32, pixels: U8, weights: F32, count: usize, stride: usize): void {
  let j: usize = 0;
  for (; j + 16 <= stride; j += 16) {
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    let c = f32x4.splat(0);
    let d = f32x4.splat(0);
    for (let k: usize = 0; k < count; k++) {
      const bytes = pixels.lanes(k * stride + j);
      const w = weights.splat(k);
      const low = i16x8.extend_low_i8x16_u(bytes);
      const high = i16x8.extend_high_i8x16_u(bytes);
      a = f32x4.add(a, f32x4.mul(w, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(low))));
      b = f32x4.add(b, f32x4.mul(w, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(low))));
      c = f32x4.add(c, f32x4.mul(w, f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_u(high))));
      d = f32x4.add(d, f32x4.mul(w, f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_u(high))));
    }
    row.setLanes(j, a);
    row.setLanes(j + 4, b);
    row.setLanes(j + 8, c);
    row.setLanes(j + 12, d);
  }
  for (; j < stride; j++) {
    let sum: f32 = 0;
    for (let k: usize = 0; k < count; k++) sum += weights[k] * <f32>pixels[k * stride + j];
    row[j] = sum;
  }
}

/** Σ_k weights[k]·pixel k, a channel in each lane; lanes past the channels are arbitrary. */
function blendPixels(samples: F32, weights: F32, count: usize, channels: usize): v128 {
  let sum = f32x4.splat(0);
  for (let k: usize = 0; k < count; k++) {
    sum = f32x4.add(sum, f32x4.mul(weights.splat(k), samples.lanes(k * channels)));
  }
  return sum;
}

function storePixel(out: U8, mean: v128, channels: usize): void {
  const levels = i32x4.trunc_sat_f32x4_s(f32x4.add(mean, f32x4.splat(0.5)));
  out[0] = <u8>i32x4.extract_lane(levels, 0);
  if (channels > 1) out[1] = <u8>i32x4.extract_lane(levels, 1);
  if (channels > 2) out[2] = <u8>i32x4.extract_lane(levels, 2);
  if (channels > 3) out[3] = <u8>i32x4.extract_lane(levels, 3);
}
