import { F32 } from '../f32';
import { RowsByEight } from './layouts';
import { multiply4x8, multiply6x8, SIX_ROWS } from './micro-kernels';
import { Tiling } from './tiling';
import { multiplyWide, wide } from './wide';

/**
 * C (+)= Aᵀ · B over the tiles, for `rows` channels, twelve at a time as two blocks of six.
 * c: [rows][8]; a: rows laid out as R says, with `apart`; b: [tiles][8]
 */
export function accumulateRows<R>(
  c: F32,
  a: usize,
  apart: usize,
  b: usize,
  tiles: usize,
  rows: usize,
  more: i32,
): void {
  if (wide) {
    multiplyWide<R>(c, 32, a, apart, b, tiles, 0, rows >> 2, more);
    return;
  }
  const r = changetype<R>(0);
  let quad: usize = 0;
  if (SIX_ROWS) {
    for (; rows >= 12; rows -= 12) {
      const a1 = r.quad(a, quad + 1, apart);
      multiply6x8<R>(c, c.at(32), r.quad(a, quad, apart), a1, b, tiles, 0, more);
      multiply6x8<R>(c.at(64), c.at(48), r.quad(a, quad + 2, apart), a1 + 8, b, tiles, 0, more);
      c = c.at(96);
      quad += 3;
    }
  }
  for (; rows > 0; rows -= 4) {
    multiply4x8<R>(c, r.quad(a, quad, apart), b, tiles, 0, more);
    c = c.at(32);
    quad++;
  }
}

/**
 * dU[point] (+)= V[point]ᵀ · D[point]: sums over the tiles of a chunk, in their order, added to those of earlier chunks
 * where `more` is not 0. Items: points x panels of 8 columns, the panel fastest.
 * du: [point][panels][rows][8]; v, d: planes laid out as the tilings say, in which tiles are contiguous, with eight channels
 * of each together
 * @param rows channels on V's side (of all stacked phases); a multiple of 4
 */
export function accumulate(
  du: F32,
  v: F32,
  d: F32,
  vTiling: Tiling,
  dTiling: Tiling,
  rows: usize,
  panels: usize,
  tiles: usize,
  duPlane: usize,
  more: i32,
  begin: usize,
  end: usize,
): void {
  const apart = (<usize>vTiling.eight) << 2;
  for (let item = begin; item < end; item++) {
    const point = item / panels;
    const panel = item % panels;
    const b = changetype<usize>(d.at(point * dTiling.plane + panel * dTiling.eight));
    const a = changetype<usize>(v.at(point * vTiling.plane));
    const c = du.at(point * duPlane + panel * rows * 8);
    accumulateRows<RowsByEight>(c, a, apart, b, tiles, rows, more);
  }
}
