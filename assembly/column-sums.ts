import { BLOCK } from './constants';
import { F32 } from './f32';

/*
 * Sums over rows: bias gradients, and the gradient of the time embedding (a sum over each image's pixels).
 * Blocks of 256 rows are summed first and then combined in order, so the bits do not depend on the workers.
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
    const to = changetype<usize>(partial.at(<usize>(item * channels)));
    const from = changetype<usize>(x.at(<usize>(image * pixels + first) * stride));
    for (let c: usize = 0; c < (<usize>channels) << 2; c += 32) {
      let sum0 = f32x4.splat(0);
      let sum1 = sum0;
      let at = from + c;
      let row = count;
      do {
        sum0 = f32x4.add(sum0, v128.load(at));
        sum1 = f32x4.add(sum1, v128.load(at, 16));
        at += (<usize>stride) << 2;
      } while (--row > 0);
      // The upper four first, so that V8 joins them (see `winograd/wide.ts`).
      v128.store(to + c, sum1, 16);
      v128.store(to + c, sum0);
    }
  }
}

/**
 * out f32 [images] rows of `outStride` floats = Σ over each image's `blocks` partial sums, in f64: rows of `step` floats, whose
 * first `channels` count. Items: images × channels.
 */
export function joinColumnSums(
  out: F32,
  outStride: i32,
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
    out[<usize>(image * outStride + c)] = <f32>sum;
  }
}
