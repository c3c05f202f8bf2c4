import { F32, madd } from './f32';

/**
 * Mean and sum of squared deviations of each of `some` channels over `rows` rows: the means to `to`, the squares `channels` floats
 * later. The deviations are taken from this block's own mean, so no digits cancel. Rows are `stride` floats apart; `some` is a
 * multiple of 4.
 */
export function blockMoments(
  to: F32,
  x: F32,
  rows: i32,
  stride: usize,
  some: usize,
  channels: usize,
): void {
  let c: usize = 0;
  // A cache line of each row at a time, with all sums in registers.
  for (; c + 16 <= some; c += 16) moments16(to.at(c), x.at(c), rows, stride, channels);
  for (; c < some; c += 4) moments4(to.at(c), x.at(c), rows, stride, channels);
}

/** The moments of four channels. */
function moments4(to: F32, x: F32, rows: i32, stride: usize, channels: usize): void {
  const inverse = f32x4.splat(1 / <f32>rows);
  let mean = f32x4.splat(0);
  for (let row = 0; row < rows; row++) mean = f32x4.add(mean, x.lanes(<usize>row * stride));
  mean = f32x4.mul(mean, inverse);
  let square = f32x4.splat(0);
  for (let row = 0; row < rows; row++) {
    const d = f32x4.sub(x.lanes(<usize>row * stride), mean);
    square = madd(d, d, square);
  }
  to.setLanes(0, mean);
  to.setLanes(channels, square);
}

/** The same of sixteen. */
function moments16(to: F32, x: F32, rows: i32, stride: usize, channels: usize): void {
  const inverse = f32x4.splat(1 / <f32>rows);
  let m0 = f32x4.splat(0);
  let m1 = f32x4.splat(0);
  let m2 = f32x4.splat(0);
  let m3 = f32x4.splat(0);
  let at = x;
  for (let row = 0; row < rows; row++) {
    m0 = f32x4.add(m0, at.lanes(0));
    m1 = f32x4.add(m1, at.lanes(4));
    m2 = f32x4.add(m2, at.lanes(8));
    m3 = f32x4.add(m3, at.lanes(12));
    at = at.at(stride);
  }
  m0 = f32x4.mul(m0, inverse);
  m1 = f32x4.mul(m1, inverse);
  m2 = f32x4.mul(m2, inverse);
  m3 = f32x4.mul(m3, inverse);
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  at = x;
  for (let row = 0; row < rows; row++) {
    const d0 = f32x4.sub(at.lanes(0), m0);
    const d1 = f32x4.sub(at.lanes(4), m1);
    const d2 = f32x4.sub(at.lanes(8), m2);
    const d3 = f32x4.sub(at.lanes(12), m3);
    s0 = madd(d0, d0, s0);
    s1 = madd(d1, d1, s1);
    s2 = madd(d2, d2, s2);
    s3 = madd(d3, d3, s3);
    at = at.at(stride);
  }
  to.setLanes(0, m0);
  to.setLanes(4, m1);
  to.setLanes(8, m2);
  to.setLanes(12, m3);
  to.setLanes(channels, s0);
  to.setLanes(channels + 4, s1);
  to.setLanes(channels + 8, s2);
  to.setLanes(channels + 12, s3);
}
