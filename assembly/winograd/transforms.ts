import { F32 } from '../f32';
import { Gradient22, Input22, Output22 } from './f22';
import { Gradient23, Input23, Output23 } from './f23';
import { Gradient42, Input42, Output42 } from './f42';
import { Gradient43, Input43, Output43 } from './f43';
import { fromTiles } from './from-tiles';
import { Affine, Direct } from './source';
import { Tiling } from './tiling';
import { toTiles } from './to-tiles';

/* The transforms of images and products, whose algorithm a tiling names by its number. */

/** V = Bᵀ x B, of x · scale + shift where `scale` is not null; see `toTiles`. */
export function inputTiles(
  v: F32,
  x: F32,
  g: Tiling,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const a = g.algorithm;
  if (a === 43)
    tiles<Input43>(v, x, g, scale, shift, shiftStep, 4, first, count, scratch, begin, end);
  if (a === 23)
    tiles<Input23>(v, x, g, scale, shift, shiftStep, 2, first, count, scratch, begin, end);
  if (a === 42)
    tiles<Input42>(v, x, g, scale, shift, shiftStep, 4, first, count, scratch, begin, end);
  if (a === 22)
    tiles<Input22>(v, x, g, scale, shift, shiftStep, 2, first, count, scratch, begin, end);
}

/** D = A x Aᵀ, likewise. */
export function gradientTiles(
  v: F32,
  x: F32,
  g: Tiling,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const a = g.algorithm;
  if (a === 43)
    tiles<Gradient43>(v, x, g, scale, shift, shiftStep, 4, first, count, scratch, begin, end);
  if (a === 23)
    tiles<Gradient23>(v, x, g, scale, shift, shiftStep, 2, first, count, scratch, begin, end);
  if (a === 42)
    tiles<Gradient42>(v, x, g, scale, shift, shiftStep, 4, first, count, scratch, begin, end);
  if (a === 22)
    tiles<Gradient22>(v, x, g, scale, shift, shiftStep, 2, first, count, scratch, begin, end);
}

function tiles<P>(
  v: F32,
  x: F32,
  g: Tiling,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  side: i32,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  if (changetype<usize>(scale) === 0)
    toTiles<P, Direct>(v, x, g, scale, shift, 0, side, first, count, scratch, begin, end);
  else
    toTiles<P, Affine>(v, x, g, scale, shift, shiftStep, side, first, count, scratch, begin, end);
}

/** Y = Aᵀ M A + bias; see `fromTiles`. */
export function outputTiles(
  y: F32,
  m: F32,
  g: Tiling,
  bias: F32,
  flags: i32,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const a = g.algorithm;
  if (a === 43) fromTiles<Output43>(y, m, g, bias, flags, first, count, scratch, begin, end);
  if (a === 23) fromTiles<Output23>(y, m, g, bias, flags, first, count, scratch, begin, end);
  if (a === 42) fromTiles<Output42>(y, m, g, bias, flags, first, count, scratch, begin, end);
  if (a === 22) fromTiles<Output22>(y, m, g, bias, flags, first, count, scratch, begin, end);
}
