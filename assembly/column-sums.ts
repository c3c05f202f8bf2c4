import { BLOCK } from './constants';
import { F32 } from './f32';

/*
 * Sums over rows: bias gradients, and the gradient of the time embedding (a sum over each image's pixels).
 * Blocks of 256 rows are summed first and then joined in order, so the bits do not depend on the workers.
 */

/**
 * partial f32 [images][blocks][channels]: sums of each block of 256 pixels of each image.
 * x: f32 [images · pixels] rows of `stride` floats. Items: images × blocks.
 */
export function columnSums(
  partial: F32,
  x: F32,
  pixels: i32,
  stride: i32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let item = begin; item < end; item++) {
    const image = item / blocks;
    const first = (item % blocks) * BLOCK;
    const count = min(BLOCK, pixels - first);
    for (let c = 0; c < channels; c += 8) {
      let sum0 = f32x4.splat(0),
        sum1 = sum0;
      for (let i = 0; i < count; i++) {
        const p = x.at(<usize>(image * pixels + first + i) * stride + c);
        sum0 = f32x4.add(sum0, p.lanes(0));
        sum1 = f32x4.add(sum1, p.lanes(4));
      }
      partial.setLanes(<usize>(item * channels + c), sum0);
      partial.setLanes(<usize>(item * channels + c + 4), sum1);
    }
  }
}

/**
 * out f32 [images][channels] = Σ over each image's `blocks` partial sums, in f64: rows of `step` floats, whose first
 * `channels` count. Items: images × channels.
 */
export function joinColumnSums(
  out: F32,
  partial: F32,
  blocks: i32,
  channels: i32,
  step: i32,
  begin: i32,
  end: i32,
): void {
  for (let item = begin; item < end; item++) {
    const image = item / channels;
    const c = item % channels;
    let sum: f64 = 0;
    for (let block = 0; block < blocks; block++) {
      sum += <f64>partial[<usize>((image * blocks + block) * step + c)];
    }
    out[item] = <f32>sum;
  }
}
