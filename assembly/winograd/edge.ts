import { F32 } from '../f32';
import { SANDWICH_SCRATCH } from './sandwich';

/** Floats of scratch that `edgeColumns` needs: the half-transformed tile, then a vector of zeros. */
export const EDGE_SCRATCH: usize = SANDWICH_SCRATCH + 4;

/**
 * Which of `size` rows (or columns) from `start` on, `step` (1 or 2) apart, lie in [0, length): the first in the low byte,
 * the one after the last in the next.
 */
export function inside(start: i32, step: i32, length: i32, size: i32): i32 {
  const from = start < 0 ? (step - 1 - start) >> (step - 1) : 0;
  const to = max(from, min(size, (length - start + step - 1) >> (step - 1)));
  return from | (to << 8);
}

/**
 * `columnsOf` for a tile that reaches beyond the image, where it is zero whatever scale and shift.
 * @param rows,columns those of the tile that are inside; see `inside`
 */
export function edgeColumns<P, L>(
  scratch: F32,
  x: F32,
  row: usize,
  column: usize,
  rows: i32,
  columns: i32,
  scale: v128,
  shift: v128,
): void {
  const p = changetype<P>(0);
  const l = changetype<L>(0);
  const width = p.inputs * 4;
  const none = f32x4.splat(0);
  const zeros = scratch.at(SANDWICH_SCRATCH);
  zeros.setLanes(0, none);
  const from = rows & 255;
  const to = rows >> 8;
  const in0 = from === 0 && to > 0;
  const in1 = from <= 1 && to > 1;
  const in2 = from <= 2 && to > 2;
  const in3 = from <= 3 && to > 3;
  const in4 = from <= 4 && to > 4;
  const in5 = from <= 5 && to > 5;
  // A row beyond the image is read from the zeros in every column, and nothing is added to it.
  let x0 = select(x, zeros, in0);
  let x1 = select(x.at(row), zeros, in1);
  let x2 = select(x.at(2 * row), zeros, in2);
  let x3 = select(x.at(3 * row), zeros, in3);
  let x4 = select(x.at(4 * row), zeros, in4);
  let x5 = select(x.at(5 * row), zeros, in5);
  const shift0 = select(shift, none, in0);
  const shift1 = select(shift, none, in1);
  const shift2 = select(shift, none, in2);
  const shift3 = select(shift, none, in3);
  const shift4 = select(shift, none, in4);
  const shift5 = select(shift, none, in5);
  for (let j = 0; j < <i32>p.inputs; j++) {
    const t = scratch.at(4 * j);
    if (j < (columns & 255) || j >= columns >> 8) {
      for (let i: usize = 0; i < p.outputs; i++) t.setLanes(i * width, none);
    } else {
      p.apply(
        t,
        width,
        l.read(x0, scale, shift0),
        l.read(x1, scale, shift1),
        p.inputs > 2 ? l.read(x2, scale, shift2) : none,
        p.inputs > 3 ? l.read(x3, scale, shift3) : none,
        p.inputs > 4 ? l.read(x4, scale, shift4) : none,
        p.inputs > 5 ? l.read(x5, scale, shift5) : none,
      );
    }
    x0 = x0.at(select<usize>(column, 0, in0));
    x1 = x1.at(select<usize>(column, 0, in1));
    x2 = x2.at(select<usize>(column, 0, in2));
    x3 = x3.at(select<usize>(column, 0, in3));
    x4 = x4.at(select<usize>(column, 0, in4));
    x5 = x5.at(select<usize>(column, 0, in5));
  }
}
