import { BLOCK } from './constants';
import { F32, madd } from './f32';

/*
 * A residual whose branch is scaled by a vector of its image: y = a + x·g. Images are [images · pixels] rows of strides of their
 * own, g [images] rows of `gStride` floats.
 */

/** y may alias a or x. Items: rows. */
export function gate(
  y: F32,
  yStride: usize,
  a: F32,
  aStride: usize,
  x: F32,
  xStride: usize,
  g: F32,
  gStride: usize,
  pixels: i32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  for (let row = begin; row < end; row++) {
    const to = y.at(<usize>row * yStride);
    const base = a.at(<usize>row * aStride);
    const from = x.at(<usize>row * xStride);
    const by = g.at(<usize>(row / pixels) * gStride);
    for (let c = 0; c < channels; c += 8) {
      const low = madd(from.lanes(c), by.lanes(c), base.lanes(c));
      const high = madd(from.upperLanes(c), by.upperLanes(c), base.upperLanes(c));
      to.setPair(c, low, high);
    }
  }
}

/**
 * dx = dy·g, added to the previous contents if `accumulate`. partial f32 [images][blocks][channels]: sums of dy·x, the gradient of g,
 * over blocks of 256 pixels. Items: images × blocks.
 */
export function gateBackward(
  dx: F32,
  dxStride: usize,
  partial: F32,
  dy: F32,
  dyStride: usize,
  x: F32,
  xStride: usize,
  g: F32,
  gStride: usize,
  pixels: i32,
  channels: i32,
  accumulate: bool,
  begin: i32,
  end: i32,
): void {
  const none = f32x4.splat(0);
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let item = begin; item < end; item++) {
    const image = item / blocks;
    const first = image * pixels + (item % blocks) * BLOCK;
    const last = min(first + BLOCK, (image + 1) * pixels);
    const by = g.at(<usize>image * gStride);
    const sums = partial.at(<usize>item * channels);
    for (let c = 0; c < channels; c += 8) sums.setPair(c, none, none);
    for (let row = first; row < last; row++) {
      const to = dx.at(<usize>row * dxStride);
      const gradient = dy.at(<usize>row * dyStride);
      const from = x.at(<usize>row * xStride);
      for (let c = 0; c < channels; c += 4) {
        const d = gradient.lanes(c);
        sums.setLanes(c, madd(d, from.lanes(c), sums.lanes(c)));
        const value = f32x4.mul(d, by.lanes(c));
        to.setLanes(c, accumulate ? f32x4.add(to.lanes(c), value) : value);
      }
    }
  }
}
