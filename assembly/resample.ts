import { F32 } from './f32';

/*
 * Halving by the mean of 2x2 pixels, doubling to the nearest pixel, and the adjoint of each. height and width are always those
 * of the larger image; the smaller has ⌊height/2⌋ x ⌊width/2⌋ pixels. Items: images × rows of the written image.
 */

/** y, the smaller image: y = the mean of 2x2 pixels of x. A last odd row or column is ignored, as in PyTorch. */
export function averagePool2(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  height: usize,
  width: usize,
  channels: usize,
  begin: usize,
  end: usize,
): void {
  shrink(y, yStride, x, xStride, height, width, channels, 0.25, false, begin, end);
}

/** dx, the smaller image: dx (+)= the sum of 2x2 pixels of dy, which is the backward pass of `upsampleNearest2`. */
export function sumNearest2(
  dx: F32,
  dxStride: usize,
  dy: F32,
  dyStride: usize,
  height: usize,
  width: usize,
  channels: usize,
  accumulate: bool,
  begin: usize,
  end: usize,
): void {
  shrink(dx, dxStride, dy, dyStride, height, width, channels, 1, accumulate, begin, end);
}

/** y, the larger image: each pixel of x four times. height and width are even. */
export function upsampleNearest2(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  height: usize,
  width: usize,
  channels: usize,
  begin: usize,
  end: usize,
): void {
  grow(y, yStride, x, xStride, height, width, channels, 1, false, begin, end);
}

/** dx, the larger image: dx (+)= dy/4, which is the backward pass of `averagePool2`; 0 in a last odd row or column. */
export function spreadAverage2(
  dx: F32,
  dxStride: usize,
  dy: F32,
  dyStride: usize,
  height: usize,
  width: usize,
  channels: usize,
  accumulate: bool,
  begin: usize,
  end: usize,
): void {
  grow(dx, dxStride, dy, dyStride, height, width, channels, 0.25, accumulate, begin, end);
}

/** out (+)= factor · the sum of 2x2 pixels of x. */
function shrink(
  out: F32,
  outStride: usize,
  x: F32,
  xStride: usize,
  height: usize,
  width: usize,
  channels: usize,
  factor: f32,
  accumulate: bool,
  begin: usize,
  end: usize,
): void {
  const rows = height >> 1;
  const columns = width >> 1;
  for (let item = begin; item < end; item++) {
    const above = (item / rows) * height + 2 * (item % rows);
    for (let column: usize = 0; column < columns; column++) {
      const to = out.at((item * columns + column) * outStride);
      const from = x.at((above * width + 2 * column) * xStride);
      sumPixels(to, from, xStride, width * xStride, channels, factor, accumulate);
    }
  }
}

/** One pixel from four: the two at `x` and right of it, and the two below. */
function sumPixels(
  out: F32,
  x: F32,
  right: usize,
  below: usize,
  channels: usize,
  factor: f32,
  accumulate: bool,
): void {
  const scale = f32x4.splat(factor);
  let c: usize = 0;
  do {
    const from = x.at(c);
    const top = f32x4.add(from.lanes(0), from.lanes(right));
    const sum = f32x4.add(f32x4.add(top, from.lanes(below)), from.lanes(below + right));
    const value = f32x4.mul(sum, scale);
    out.setLanes(c, accumulate ? f32x4.add(out.lanes(c), value) : value);
    c += 4;
  } while (c < channels);
}

/** out (+)= factor · the pixel of x at half the coordinates, or 0 beyond the end of x. */
function grow(
  out: F32,
  outStride: usize,
  x: F32,
  xStride: usize,
  height: usize,
  width: usize,
  channels: usize,
  factor: f32,
  accumulate: bool,
  begin: usize,
  end: usize,
): void {
  const rows = height >> 1;
  const columns = width >> 1;
  for (let item = begin; item < end; item++) {
    const row = (item % height) >> 1;
    const from = x.at(((item / height) * rows + row) * columns * xStride);
    for (let column: usize = 0; column < width; column++) {
      const to = out.at((item * width + column) * outStride);
      const within = row < rows && column >> 1 < columns;
      if (within) putPixel(to, from.at((column >> 1) * xStride), channels, factor, accumulate);
      else if (!accumulate) clearPixel(to, channels);
    }
  }
}

function putPixel(out: F32, x: F32, channels: usize, factor: f32, accumulate: bool): void {
  const scale = f32x4.splat(factor);
  let c: usize = 0;
  do {
    const value = f32x4.mul(x.lanes(c), scale);
    out.setLanes(c, accumulate ? f32x4.add(out.lanes(c), value) : value);
    c += 4;
  } while (c < channels);
}

function clearPixel(out: F32, channels: usize): void {
  for (let c: usize = 0; c < channels; c += 4) out.setLanes(c, f32x4.splat(0));
}
