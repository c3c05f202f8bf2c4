import { F32 } from '../f32';

/**
 * A one-dimensional linear map P, as straight-line code, that the two-dimensional transforms are made of.
 * A class with these three members stands for P where a type parameter `P` is asked for; it has no state.
 */

/** Floats of scratch that `sandwich` uses at most: 6 x 6 vectors. */
export const SANDWICH_SCRATCH: usize = 144;

/**
 * Y = P X Pᵀ for four channels at once: the columns of X first, then the rows of what results.
 * x: element (i, j) at i·xRow + j·xColumn; y likewise; all strides in floats.
 */
export function sandwich<P>(
  y: F32,
  yRow: usize,
  yColumn: usize,
  x: F32,
  xRow: usize,
  xColumn: usize,
  scratch: F32,
): void {
  const p = changetype<P>(0);
  const width = p.inputs * 4;
  for (let j: usize = 0; j < p.inputs; j++) {
    p.apply(scratch.at(4 * j), width, x.at(j * xColumn), xRow);
  }
  for (let i: usize = 0; i < p.outputs; i++) {
    p.apply(y.at(i * yRow), yColumn, scratch.at(i * width), 4);
  }
}
