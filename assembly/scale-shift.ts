import { BLOCK } from './constants';
import { F32 } from './f32';

/**
 * y = x·scale + shift on the first `real` of `channels`, added to the previous contents if `accumulate`; else 0 on the others, which are
 * padding. y may alias x. Rows of yStride and xStride floats. Items: rows.
 */
export function scaleShiftConstant(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  channels: i32,
  real: i32,
  scale: f32,
  shift: f32,
  accumulate: bool,
  begin: usize,
  end: usize,
): void {
  const factor = f32x4.splat(scale);
  const constant = f32x4.splat(shift);
  const last = i32x4.splat(real);
  for (let row = begin; row < end; row++) {
    const to = y.at(row * yStride);
    const from = x.at(row * xStride);
    let c = 0;
    do {
      const within = i32x4.lt_s(i32x4.add(i32x4.splat(c), i32x4(0, 1, 2, 3)), last);
      const value = v128.and(f32x4.add(f32x4.mul(from.lanes(c), factor), constant), within);
      to.setLanes(c, accumulate ? f32x4.add(to.lanes(c), value) : value);
      c += 4;
    } while (c < channels);
  }
}

/**
 * y = x + v of its image; y may alias x. x, y: [images, pixels] rows of xStride and yStride floats; v: [images] rows of `vStride`
 * floats. Items: images × blocks of 256 pixels.
 */
export function addVector(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  v: F32,
  vStride: usize,
  pixels: i32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let item = begin; item < end; item++) {
    const image = item / blocks;
    const first = image * pixels + (item % blocks) * BLOCK;
    const last = min(first + BLOCK, (image + 1) * pixels);
    const vector = v.at(<usize>image * vStride);
    for (let row = first; row < last; row++) {
      const to = y.at(<usize>row * yStride);
      const from = x.at(<usize>row * xStride);
      for (let c = 0; c < channels; c += 8) {
        const low = f32x4.add(from.lanes(c), vector.lanes(c));
        const high = f32x4.add(from.lanes(c + 4), vector.lanes(c + 4));
        to.setLanes(c + 4, high);
        to.setLanes(c, low);
      }
    }
  }
}
