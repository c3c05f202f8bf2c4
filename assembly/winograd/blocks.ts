import { TRANSFORM_SCRATCH } from '../constants';
import { F32 } from '../f32';
import { accumulate } from './accumulate';
import { copyTiles } from './base';
import { ALONE } from './from-tiles';
import { multiply } from './multiply';
import { following, Tiling, tileItems } from './tiling';
import { gradientTiles, inputTiles, outputTiles } from './transforms';

/*
 * Layers with many tiles and few weights: one worker processes a block of tiles from start to end, in its own planes. Nothing
 * moves between cores' caches, and there is no barrier in between.
 */

/**
 * y = conv(x): `winogradInput`, `winogradMultiply` and `winogradOutput` for one block after the other, with the same bits.
 * Phases of the output reuse the same planes. Items: blocks of `block` tiles, a multiple of 4.
 * @param base what the output is added to, with the flag ACCUMULATE, in pixels of `baseStride` floats; null: the contents of y
 * @param u the transformed weights, [point][panels][k][8]
 * @param g the tiling of the input, then that of the output
 * @param k input channels, or four times as many if phases are stacked
 * @param planes points
 * @param vFloats those of V, which is followed by M
 * @param tiles those of the whole batch
 * @param scratch f32[TRANSFORM_SCRATCH + V and M], the caller's own
 */
export function winogradBlocks(
  y: F32,
  base: F32,
  baseStride: i32,
  x: F32,
  u: F32,
  g: Tiling,
  bias: F32,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  flags: i32,
  k: usize,
  panels: usize,
  planes: usize,
  uPlane: usize,
  vFloats: usize,
  tiles: i32,
  block: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const out = following(g);
  const phases = <usize>out.phases;
  const v = scratch.at(TRANSFORM_SCRATCH);
  const m = v.at(vFloats);
  for (let item = begin; item < end; item++) {
    const first = <i32>item * block;
    const count = min(block, tiles - first);
    const quads = <usize>((count + 3) >> 2);
    const inputs = tileItems(g, count) / phases;
    const outputs = tileItems(out, count) / phases;
    if (changetype<usize>(base) !== 0) copyTiles(y, base, baseStride, out, first, count);
    for (let phase: usize = 0; phase < phases; phase++) {
      const from = phase * inputs;
      const to = phase * outputs;
      const w = u.at(phase * planes * uPlane);
      inputTiles(v, x, g, scale, shift, shiftStep, first, count, scratch, from, from + inputs);
      multiply(m, v, w, g, out, k, panels, quads, uPlane, 0, planes * panels);
      outputTiles(y, m, out, bias, flags | ALONE, first, count, scratch, to, to + outputs);
    }
  }
}

/**
 * dU of each group of tiles, by chunks: the transforms of x and dy, and `winogradAccumulate`. The
 * groups are added up by `winogradWeightGradient`. Items: groups.
 * du: [group][point][panels][rows][8]
 * @param g the tiling of x, the rows of dU; then that of dy, its columns
 * @param swapped 1 if dy is the tensor that the taps slide over
 * @param group tiles per group
 * @param planes points
 * @param vFloats those of V, which is followed by D
 * @param scratch f32[TRANSFORM_SCRATCH + V and D], the caller's own
 */
export function winogradGradientBlocks(
  du: F32,
  x: F32,
  dy: F32,
  g: Tiling,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  swapped: i32,
  rows: usize,
  panels: usize,
  planes: usize,
  duPlane: usize,
  vFloats: usize,
  tiles: i32,
  group: i32,
  chunk: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const none = changetype<F32>(0);
  const columns = following(g);
  const v = scratch.at(TRANSFORM_SCRATCH);
  const d = v.at(vFloats);
  for (let item = begin; item < end; item++) {
    const sums = du.at(item * planes * duPlane);
    const start = <i32>item * group;
    const stop = min(start + group, tiles);
    for (let first = start; first < stop; first += chunk) {
      const count = min(chunk, stop - first);
      const xs = tileItems(g, count);
      const dys = tileItems(columns, count);
      if (swapped) {
        gradientTiles(v, x, g, scale, shift, shiftStep, first, count, scratch, 0, xs);
        inputTiles(d, dy, columns, none, none, 0, first, count, scratch, 0, dys);
      } else {
        inputTiles(v, x, g, scale, shift, shiftStep, first, count, scratch, 0, xs);
        gradientTiles(d, dy, columns, none, none, 0, first, count, scratch, 0, dys);
      }
      const more = <i32>(first > start);
      const items = planes * panels;
      accumulate(sums, v, d, g, columns, rows, panels, count, duPlane, more, 0, items);
    }
  }
}
