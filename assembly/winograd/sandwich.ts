import { F32 } from '../f32';
import { Direct } from './source';

/*
 * A one-dimensional linear map P, as straight-line code, from which the two-dimensional transforms are built. A class with
 * the members `inputs`, `outputs` and `apply` stands for P where a type parameter `P` is required; it has no state.
 * `apply(t, tStep, d0, …, d5)` stores P d to t, tStep floats apart; arguments beyond its inputs are ignored. `applyPair` does it for
 * eight channels: the lower four of each of the d, then the upper four. Everything is read before anything is stored, so that V8 joins
 * them (see wide.ts).
 */

/** Calls of a map. A class only for its inlined methods: a function would remain a call, at twice the time. */
@unmanaged
export class Line {
  /** t ← P x, where the elements of x are `step` floats apart and read as L says. */
  @inline
  static apply<P, L>(t: F32, tStep: usize, x: F32, step: usize, scale: v128, shift: v128): void {
    const p = changetype<P>(0);
    const l = changetype<L>(0);
    const none = f32x4.splat(0);
    p.apply(
      t,
      tStep,
      l.read(x, scale, shift),
      l.read(x.at(step), scale, shift),
      p.inputs > 2 ? l.read(x.at(2 * step), scale, shift) : none,
      p.inputs > 3 ? l.read(x.at(3 * step), scale, shift) : none,
      p.inputs > 4 ? l.read(x.at(4 * step), scale, shift) : none,
      p.inputs > 5 ? l.read(x.at(5 * step), scale, shift) : none,
    );
  }

  /** `apply` for eight channels. */
  @inline
  static applyPair<P, L>(
    t: F32,
    tStep: usize,
    x: F32,
    step: usize,
    scale: v128,
    scaleUpper: v128,
    shift: v128,
    shiftUpper: v128,
  ): void {
    const p = changetype<P>(0);
    const l = changetype<L>(0);
    const none = f32x4.splat(0);
    p.applyPair(
      t,
      tStep,
      l.read(x, scale, shift),
      l.read(x.at(step), scale, shift),
      p.inputs > 2 ? l.read(x.at(2 * step), scale, shift) : none,
      p.inputs > 3 ? l.read(x.at(3 * step), scale, shift) : none,
      p.inputs > 4 ? l.read(x.at(4 * step), scale, shift) : none,
      p.inputs > 5 ? l.read(x.at(5 * step), scale, shift) : none,
      l.readUpper(x, scaleUpper, shiftUpper),
      l.readUpper(x.at(step), scaleUpper, shiftUpper),
      p.inputs > 2 ? l.readUpper(x.at(2 * step), scaleUpper, shiftUpper) : none,
      p.inputs > 3 ? l.readUpper(x.at(3 * step), scaleUpper, shiftUpper) : none,
      p.inputs > 4 ? l.readUpper(x.at(4 * step), scaleUpper, shiftUpper) : none,
      p.inputs > 5 ? l.readUpper(x.at(5 * step), scaleUpper, shiftUpper) : none,
    );
  }

  /** `rows` for eight channels. */
  @inline
  static rowPairs<P>(y: F32, row: usize, column: usize, s: F32, width: usize): void {
    const p = changetype<P>(0);
    Line.rowPair<P>(y, column, s);
    Line.rowPair<P>(y.at(row), column, s.at(width));
    if (p.outputs > 2) Line.rowPair<P>(y.at(2 * row), column, s.at(2 * width));
    if (p.outputs > 3) Line.rowPair<P>(y.at(3 * row), column, s.at(3 * width));
    if (p.outputs > 4) Line.rowPair<P>(y.at(4 * row), column, s.at(4 * width));
    if (p.outputs > 5) Line.rowPair<P>(y.at(5 * row), column, s.at(5 * width));
  }

  @inline
  static rowPair<P>(y: F32, column: usize, s: F32): void {
    const none = f32x4.splat(0);
    Line.applyPair<P, Direct>(y, column, s, 8, none, none, none, none);
  }

  /** S Pᵀ, where the rows of S = P X are `width` floats apart: element (i, j) goes to i·row + j·column. */
  @inline
  static rows<P>(y: F32, row: usize, column: usize, s: F32, width: usize): void {
    const p = changetype<P>(0);
    const none = f32x4.splat(0);
    Line.apply<P, Direct>(y, column, s, 4, none, none);
    Line.apply<P, Direct>(y.at(row), column, s.at(width), 4, none, none);
    if (p.outputs > 2) Line.apply<P, Direct>(y.at(2 * row), column, s.at(2 * width), 4, none, none);
    if (p.outputs > 3) Line.apply<P, Direct>(y.at(3 * row), column, s.at(3 * width), 4, none, none);
    if (p.outputs > 4) Line.apply<P, Direct>(y.at(4 * row), column, s.at(4 * width), 4, none, none);
    if (p.outputs > 5) Line.apply<P, Direct>(y.at(5 * row), column, s.at(5 * width), 4, none, none);
  }
}

/**
 * Y = P X Pᵀ for four channels at once: the columns of X first, then the rows of the result.
 * x: element (i, j) at i·xRow + j·xColumn; y likewise; all strides in floats. Unrolled instead of a loop:
 * measured on Node 20, a loop takes a tenth longer for 6 x 6 points, a quarter to a half for weights.
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
  columnsOf<P>(scratch, x, xRow, xColumn);
  Line.rows<P>(y, yRow, yColumn, scratch, changetype<P>(0).inputs * 4);
}

/** P X: scratch [outputs][inputs]. */
function columnsOf<P>(scratch: F32, x: F32, row: usize, column: usize): void {
  const p = changetype<P>(0);
  const width = p.inputs * 4;
  const none = f32x4.splat(0);
  Line.apply<P, Direct>(scratch, width, x, row, none, none);
  Line.apply<P, Direct>(scratch.at(4), width, x.at(column), row, none, none);
  if (p.inputs > 2) Line.apply<P, Direct>(scratch.at(8), width, x.at(2 * column), row, none, none);
  if (p.inputs > 3) Line.apply<P, Direct>(scratch.at(12), width, x.at(3 * column), row, none, none);
  if (p.inputs > 4) Line.apply<P, Direct>(scratch.at(16), width, x.at(4 * column), row, none, none);
  if (p.inputs > 5) Line.apply<P, Direct>(scratch.at(20), width, x.at(5 * column), row, none, none);
}
