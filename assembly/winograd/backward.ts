import { TRANSFORM_SCRATCH } from '../constants';
import { F32 } from '../f32';
import { accumulate } from './accumulate';
import { ALONE } from './from-tiles';
import { multiply } from './multiply';
import { following, Tiling, tileItems } from './tiling';
import { gradientTiles, inputTiles, outputTiles } from './transforms';

/**
 * Both gradients of a 3 x 3 convolution, for groups of tiles that one worker processes chunk by chunk from start to end: dx is the
 * convolution of dy with the turned weights, and dW the sum of x times dy with the taps sliding over dy, so that one
 * transform of dy serves both. Items: groups, each with its own dU.
 * du: [group][point][panels][rows][8], rows the channels of dy, columns those of x
 * @param g the tiling of dy, then that of dx
 * @param narrow the tiling of x, the columns of dU
 * @param scale,shift applied to x as it is loaded, unless null; see `toTiles`
 * @param flags of `fromTiles`, for dx
 * @param rows channels of dy
 * @param panels panels of eight channels of x
 * @param planes points
 * @param vFloats those of V, which is followed by M, and after its `mFloats` by D
 * @param scratch f32[TRANSFORM_SCRATCH + V, M and D], the caller's own
 */
export function winogradBackward(
  dx: F32,
  du: F32,
  x: F32,
  dy: F32,
  u: F32,
  g: Tiling,
  narrow: Tiling,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  flags: i32,
  rows: usize,
  panels: usize,
  planes: usize,
  uPlane: usize,
  vFloats: usize,
  mFloats: usize,
  tiles: i32,
  group: i32,
  chunk: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const none = changetype<F32>(0);
  const out = following(g);
  const v = scratch.at(TRANSFORM_SCRATCH);
  const m = v.at(vFloats);
  const d = m.at(mFloats);
  const items = planes * panels;
  for (let item = begin; item < end; item++) {
    const sums = du.at(item * planes * uPlane);
    const start = <i32>item * group;
    const stop = min(start + group, tiles);
    for (let first = start; first < stop; first += chunk) {
      const count = min(chunk, stop - first);
      const quads = <usize>((count + 3) >> 2);
      const more = <i32>(first > start);
      inputTiles(v, dy, g, none, none, 0, first, count, scratch, 0, tileItems(g, count));
      multiply(m, v, u, g, out, rows, panels, quads, uPlane, 0, items);
      const outputs = tileItems(out, count);
      outputTiles(dx, m, out, none, flags | ALONE, first, count, scratch, 0, outputs);
      const xs = tileItems(narrow, count);
      gradientTiles(d, x, narrow, scale, shift, shiftStep, first, count, scratch, 0, xs);
      accumulate(sums, v, d, g, narrow, rows, panels, count, uPlane, more, 0, items);
    }
  }
}
