import { F32, madd } from './f32';
import { U8 } from './u8';
import { U32 } from './u32';

/*
 * Conversion between bytes and the model's range: 0…255 and [−1, 1]. The same bits in both builds, and
 * toBytes(toFloat(p)) = p.
 */

/**
 * out = p/127.5 − 1, element-wise.
 * out: f32[end]; pixels: u8[end]. Touches [begin, end) only.
 */
export function toFloat(out: F32, pixels: U8, begin: usize, end: usize): void {
  let i = begin;
  if (i + 16 <= end) {
    const constants = out.at(i);
    putConstants(constants);
    const base = constants.splat(0);
    const part = constants.splat(1);
    const one = constants.splat(2);
    const tops = constants.splat(3);
    for (; i + 16 <= end; i += 16) storeFloats(out.at(i), pixels.lanes(i), base, part, one, tops);
  }
  for (; i < end; i++) out[i] = <f32>pixels[i] / 127.5 - 1;
}

/**
 * out = round((clamp(x, −1, 1) + 1)·127.5), ties to even; NaN becomes 0.
 * out: u8[end]; x: f32[end]. Touches [begin, end) only.
 */
export function toBytes(out: U8, x: F32, begin: usize, end: usize): void {
  let i = begin;
  for (; i + 16 <= end; i += 16) {
    const low = i16x8.narrow_i32x4_s(levels(x.lanes(i)), levels(x.lanes(i + 4)));
    const high = i16x8.narrow_i32x4_s(levels(x.lanes(i + 8)), levels(x.lanes(i + 12)));
    out.setLanes(i, i8x16.narrow_i16x8_u(low, high));
  }
  for (; i < end; i++) out[i] = <u8>i32x4.extract_lane(levels(f32x4.splat(x[i])), 0);
}

/**
 * A batch of images in the model's range, some mirrored left to right: toFloat of row y of image n,
 * its pixels in reverse order where flips[n] is 1.
 * out: f32[batch][height][width][channels]; pixels: u8 of the same shape; flips: u32[batch];
 * channels 1 to 4. Items are the batch·height rows.
 */
export function batchToFloat(
  out: F32,
  pixels: U8,
  flips: U32,
  height: usize,
  width: usize,
  channels: usize,
  begin: usize,
  end: usize,
): void {
  const length = width * channels;
  for (let row = begin; row < end; row++) {
    const to = out.at(row * length);
    const from = pixels.at(row * length);
    if (flips[row / height] === 0) toFloat(to, from, 0, length);
    else rowToFloatMirrored(to, from, width, channels);
  }
}

function rowToFloatMirrored(out: F32, pixels: U8, width: usize, channels: usize): void {
  const length = width * channels;
  const order = mirrorOrder(channels);
  const whole = (<usize>16 / channels) * channels;
  let i: usize = 0;
  if (length >= 16) {
    putConstants(out);
    const base = out.splat(0);
    const part = out.splat(1);
    const one = out.splat(2);
    const tops = out.splat(3);
    // Sixteen floats are stored and `whole` of them kept: the next store overwrites the rest.
    for (; i + 16 <= length; i += whole) {
      const bytes = i8x16.swizzle(pixels.lanes(length - i - 16), order);
      storeFloats(out.at(i), bytes, base, part, one, tops);
    }
  }
  for (; i < length; i += channels) {
    for (let c: usize = 0; c < channels; c++) {
      out[i + c] = <f32>pixels[length - i - channels + c] / 127.5 - 1;
    }
  }
}

/** Byte indices that reverse the whole pixels at the end of a vector; 255, which gives 0, beyond. */
function mirrorOrder(channels: usize): v128 {
  switch (<i32>channels) {
    case 1:
      return i8x16(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    case 2:
      return i8x16(14, 15, 12, 13, 10, 11, 8, 9, 6, 7, 4, 5, 2, 3, 0, 1);
    case 3:
      return i8x16(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, -1);
    default:
      return i8x16(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
  }
}

/**
 * Writes the constants of `storeFloats` into the place of the first results, to be read from there: V8 rebuilds known constants in
 * each iteration of a loop, but keeps loaded values in registers. Measured on Node 20, a third less time.
 */
function putConstants(out: F32): void {
  out.setLanes(0, f32x4(256, 1.0 / 255, 1, reinterpret<f32>(0x43804380)));
}

/**
 * Sixteen bytes as floats in [−1, 1]. A byte p inserted into the middle bits of the float 256 makes 256 + p/128, and p/127.5 is
 * p/128 + (p/128)/255, rounded to the same for each of the 256 levels, fused or not (the tests try all).
 * @param base,part,one,tops 256, 1/255, 1, and the upper half of 256 twice, in all lanes
 */
function storeFloats(out: F32, bytes: v128, base: v128, part: v128, one: v128, tops: v128): void {
  const none = i32x4.splat(0);
  const low = i8x16.shuffle(none, bytes, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  const high = i8x16.shuffle(
    none,
    bytes,
    8,
    24,
    9,
    25,
    10,
    26,
    11,
    27,
    12,
    28,
    13,
    29,
    14,
    30,
    15,
    31,
  );
  out.setLanes(0, unit(i16x8.shuffle(low, tops, 0, 8, 1, 9, 2, 10, 3, 11), base, part, one));
  out.setLanes(4, unit(i16x8.shuffle(low, tops, 4, 12, 5, 13, 6, 14, 7, 15), base, part, one));
  out.setLanes(8, unit(i16x8.shuffle(high, tops, 0, 8, 1, 9, 2, 10, 3, 11), base, part, one));
  out.setLanes(12, unit(i16x8.shuffle(high, tops, 4, 12, 5, 13, 6, 14, 7, 15), base, part, one));
}

function unit(x: v128, base: v128, part: v128, one: v128): v128 {
  const most = f32x4.sub(x, base);
  return f32x4.sub(madd(most, part, most), one);
}

/** Four floats as integers 0…255. Adding 2²³ rounds to a whole number and leaves it in the low bits. */
function levels(x: v128): v128 {
  const low = f32x4.pmax(f32x4.splat(-1), x);
  const clamped = f32x4.pmin(f32x4.splat(1), low);
  const scaled = f32x4.mul(f32x4.add(clamped, f32x4.splat(1)), f32x4.splat(127.5));
  const whole = f32x4.add(scaled, f32x4.splat(8388608));
  return v128.and(whole, i32x4.splat(0xff));
}
