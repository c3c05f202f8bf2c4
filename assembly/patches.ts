import { F32 } from './f32';

/*
 * Patches of size x size pixels as tokens, and back: pixel (y, x) of a patch has the index p = y·size + x, and channel c of it is element
 * c·channelStep + p·pixelStep of the token. A side of the image has `side` patches. Padding is written as 0, or left as it is by `add`.
 */

/**
 * tokens [images · side²] rows of `stride` floats, of which `width` are written, ← image [images · side² · size²] rows of
 * `xStride` floats, of which `channels` count; added to the previous contents if `add`. Items: tokens.
 */
export function toPatches(
  tokens: F32,
  stride: usize,
  width: i32,
  image: F32,
  xStride: usize,
  channels: i32,
  size: i32,
  side: i32,
  channelStep: i32,
  pixelStep: i32,
  add: bool,
  begin: i32,
  end: i32,
): void {
  for (let item = begin; item < end; item++) {
    const to = tokens.at(<usize>item * stride);
    if (!add) for (let c = 0; c < width; c += 4) to.setLanes(c, f32x4.splat(0));
    for (let y = 0; y < size; y++) {
      // Rows of patches of all images are `side` tokens long.
      const first = ((item / side) * size + y) * side * size + (item % side) * size;
      for (let x = 0; x < size; x++) {
        const from = image.at(<usize>(first + x) * xStride);
        const at = (y * size + x) * pixelStep;
        for (let c = 0; c < channels; c++) {
          const i = at + c * channelStep;
          to[i] = add ? to[i] + from[c] : from[c];
        }
      }
    }
  }
}

/**
 * The inverse: image rows of `yStride` floats, of which `width` are written and `channels` count, ← tokens. Items: pixels of the images.
 */
export function fromPatches(
  image: F32,
  yStride: usize,
  width: i32,
  tokens: F32,
  stride: usize,
  channels: i32,
  size: i32,
  side: i32,
  channelStep: i32,
  pixelStep: i32,
  add: bool,
  begin: i32,
  end: i32,
): void {
  const line = side * size;
  for (let item = begin; item < end; item++) {
    const to = image.at(<usize>item * yStride);
    if (!add) for (let c = 0; c < width; c += 4) to.setLanes(c, f32x4.splat(0));
    const row = item / line;
    const column = item % line;
    const token = (row / size) * side + column / size;
    const p = (row % size) * size + (column % size);
    const from = tokens.at(<usize>token * stride + <usize>(p * pixelStep));
    for (let c = 0; c < channels; c++) {
      const value = from[c * channelStep];
      to[c] = add ? to[c] + value : value;
    }
  }
}
