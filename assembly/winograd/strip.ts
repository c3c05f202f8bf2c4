import { STRIP_WIDTH, WIDE_STRIP_WIDTH } from '../constants';
import { F32 } from '../f32';
import { Line } from './sandwich';

/*
 * P X Pᵀ for neighbouring tiles in a row of an image: their columns, some of which two tiles share, go through P
 * once, and then each tile's rows. Pixels beyond the image are zero, whatever scale and shift.
 */

/**
 * Which of `size` rows (or columns) from `start` on, `step` (1 or 2) apart, are in [0, length): the first in the low byte,
 * the end in the next.
 */
export function inside(start: i32, step: i32, length: i32, size: i32): i32 {
  const from = start < 0 ? (step - 1 - start) >> (step - 1) : 0;
  const to = max(from, min(size, (length - start + step - 1) >> (step - 1)));
  return from | (to << 8);
}

/**
 * P X: strip [outputs][STRIP_WIDTH].
 * @param x the first pixel of the strip, which may lie outside the image; only pixels inside are read
 * @param row,column floats from one pixel to the next below and to the right
 * @param rows,columns those of the strip that are inside; see `inside`
 * @param span columns of the strip
 */
export function stripColumns<P, L>(
  strip: F32,
  x: F32,
  row: usize,
  column: usize,
  rows: i32,
  columns: i32,
  span: i32,
  scale: v128,
  shift: v128,
): void {
  const from = columns & 255;
  const to = columns >> 8;
  clear<P>(strip, 0, from);
  clear<P>(strip, to, span);
  const first = x.at(<usize>from * column);
  const s = strip.at(4 * from);
  const count = to - from;
  if (rows === (<i32>changetype<P>(0).inputs) << 8)
    wholeColumns<P, L>(s, first, row, column, count, scale, shift);
  else
    partColumns<P, L>(s, strip.at(6 * STRIP_WIDTH), first, row, column, rows, count, scale, shift);
}

/**
 * P X Pᵀ of the strip's tiles, at least one: their rows through P. The loop is tested at its end, like
 * those over channels: V8 hoists invariants only out of such loops. Measured: a training step of `tiny` takes
 * two hundredths less time.
 * @param v the first tile's block; the next is `tile` floats on, and points are `plane` apart
 * @param side floats from one tile to the next in the strip
 */
export function stripRows<P>(
  v: F32,
  tile: usize,
  plane: usize,
  strip: F32,
  side: usize,
  count: i32,
): void {
  do {
    Line.rows<P>(v, changetype<P>(0).outputs * plane, plane, strip, STRIP_WIDTH);
    v = v.at(tile);
    strip = strip.at(side);
  } while (--count > 0);
}

/** Columns whose rows are all inside. Unrolled by four: measured, a twelfth to a third less time. */
function wholeColumns<P, L>(
  s: F32,
  x: F32,
  row: usize,
  column: usize,
  count: i32,
  scale: v128,
  shift: v128,
): void {
  for (; count >= 4; count -= 4) {
    Line.apply<P, L>(s, STRIP_WIDTH, x, row, scale, shift);
    Line.apply<P, L>(s.at(4), STRIP_WIDTH, x.at(column), row, scale, shift);
    Line.apply<P, L>(s.at(8), STRIP_WIDTH, x.at(2 * column), row, scale, shift);
    Line.apply<P, L>(s.at(12), STRIP_WIDTH, x.at(3 * column), row, scale, shift);
    x = x.at(4 * column);
    s = s.at(16);
  }
  for (; count > 0; count--) {
    Line.apply<P, L>(s, STRIP_WIDTH, x, row, scale, shift);
    x = x.at(column);
    s = s.at(4);
  }
}

/** Columns of a strip at the upper or lower edge: rows outside are read from `zeros`, without adding anything. */
function partColumns<P, L>(
  s: F32,
  zeros: F32,
  x: F32,
  row: usize,
  column: usize,
  rows: i32,
  count: i32,
  scale: v128,
  shift: v128,
): void {
  const p = changetype<P>(0);
  const l = changetype<L>(0);
  const none = f32x4.splat(0);
  zeros.setLanes(0, none);
  const from = rows & 255;
  const to = rows >> 8;
  const in0 = from === 0 && to > 0;
  const in1 = from <= 1 && to > 1;
  const in2 = from <= 2 && to > 2;
  const in3 = from <= 3 && to > 3;
  const in4 = from <= 4 && to > 4;
  const in5 = from <= 5 && to > 5;
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
  for (let j = 0; j < count; j++) {
    p.apply(
      s,
      STRIP_WIDTH,
      l.read(x0, scale, shift0),
      l.read(x1, scale, shift1),
      p.inputs > 2 ? l.read(x2, scale, shift2) : none,
      p.inputs > 3 ? l.read(x3, scale, shift3) : none,
      p.inputs > 4 ? l.read(x4, scale, shift4) : none,
      p.inputs > 5 ? l.read(x5, scale, shift5) : none,
    );
    x0 = x0.at(select<usize>(column, 0, in0));
    x1 = x1.at(select<usize>(column, 0, in1));
    x2 = x2.at(select<usize>(column, 0, in2));
    x3 = x3.at(select<usize>(column, 0, in3));
    x4 = x4.at(select<usize>(column, 0, in4));
    x5 = x5.at(select<usize>(column, 0, in5));
    s = s.at(4);
  }
}

/** `stripColumns` for eight channels: strip [outputs][WIDE_STRIP_WIDTH]. scale, shift: f32[8], for an L that reads them. */
export function stripColumnPairs<P, L>(
  strip: F32,
  x: F32,
  row: usize,
  column: usize,
  rows: i32,
  columns: i32,
  span: i32,
  scale: F32,
  shift: F32,
): void {
  const from = columns & 255;
  const to = columns >> 8;
  clearPairs<P>(strip, 0, from);
  clearPairs<P>(strip, to, span);
  if (from >= to) return;
  const first = x.at(<usize>from * column);
  const s = strip.at(8 * from);
  const count = to - from;
  if (rows === (<i32>changetype<P>(0).inputs) << 8)
    wholeColumnPairs<P, L>(s, first, row, column, count, scale, shift);
  else
    partColumnPairs<P, L>(
      s,
      strip.at(6 * WIDE_STRIP_WIDTH),
      first,
      row,
      column,
      rows,
      count,
      scale,
      shift,
    );
}

/** `stripRows` for eight channels. */
export function stripRowPairs<P>(
  v: F32,
  tile: usize,
  plane: usize,
  strip: F32,
  side: usize,
  count: i32,
): void {
  do {
    Line.rowPairs<P>(v, changetype<P>(0).outputs * plane, plane, strip, WIDE_STRIP_WIDTH);
    v = v.at(tile);
    strip = strip.at(side);
  } while (--count > 0);
}

/** At least one column. */
function wholeColumnPairs<P, L>(
  s: F32,
  x: F32,
  row: usize,
  column: usize,
  count: i32,
  scale: F32,
  shift: F32,
): void {
  const l = changetype<L>(0);
  const a = l.factor(scale, 0);
  const aUpper = l.upperFactor(scale, 0);
  const b = l.factor(shift, 0);
  const bUpper = l.upperFactor(shift, 0);
  do {
    Line.applyPair<P, L>(s, WIDE_STRIP_WIDTH, x, row, a, aUpper, b, bUpper);
    x = x.at(column);
    s = s.at(8);
  } while (--count > 0);
}

/** `partColumns` for eight channels; at least one column. */
function partColumnPairs<P, L>(
  s: F32,
  zeros: F32,
  x: F32,
  row: usize,
  column: usize,
  rows: i32,
  count: i32,
  scale: F32,
  shift: F32,
): void {
  const p = changetype<P>(0);
  const l = changetype<L>(0);
  const none = f32x4.splat(0);
  zeros.setPair(0, none, none);
  const from = rows & 255;
  const to = rows >> 8;
  const in0 = from === 0 && to > 0;
  const in1 = from <= 1 && to > 1;
  const in2 = from <= 2 && to > 2;
  const in3 = from <= 3 && to > 3;
  const in4 = from <= 4 && to > 4;
  const in5 = from <= 5 && to > 5;
  let x0 = select(x, zeros, in0);
  let x1 = select(x.at(row), zeros, in1);
  let x2 = select(x.at(2 * row), zeros, in2);
  let x3 = select(x.at(3 * row), zeros, in3);
  let x4 = select(x.at(4 * row), zeros, in4);
  let x5 = select(x.at(5 * row), zeros, in5);
  const a = l.factor(scale, 0);
  const aUpper = l.upperFactor(scale, 0);
  const b = l.factor(shift, 0);
  const bUpper = l.upperFactor(shift, 0);
  // V8 joins a mask, but not a select between vectors.
  const m0 = i32x4.splat(-(<i32>in0));
  const m1 = i32x4.splat(-(<i32>in1));
  const m2 = i32x4.splat(-(<i32>in2));
  const m3 = i32x4.splat(-(<i32>in3));
  const m4 = i32x4.splat(-(<i32>in4));
  const m5 = i32x4.splat(-(<i32>in5));
  do {
    p.applyPair(
      s,
      WIDE_STRIP_WIDTH,
      l.read(x0, a, v128.and(b, m0)),
      l.read(x1, a, v128.and(b, m1)),
      p.inputs > 2 ? l.read(x2, a, v128.and(b, m2)) : none,
      p.inputs > 3 ? l.read(x3, a, v128.and(b, m3)) : none,
      p.inputs > 4 ? l.read(x4, a, v128.and(b, m4)) : none,
      p.inputs > 5 ? l.read(x5, a, v128.and(b, m5)) : none,
      l.readUpper(x0, aUpper, v128.and(bUpper, m0)),
      l.readUpper(x1, aUpper, v128.and(bUpper, m1)),
      p.inputs > 2 ? l.readUpper(x2, aUpper, v128.and(bUpper, m2)) : none,
      p.inputs > 3 ? l.readUpper(x3, aUpper, v128.and(bUpper, m3)) : none,
      p.inputs > 4 ? l.readUpper(x4, aUpper, v128.and(bUpper, m4)) : none,
      p.inputs > 5 ? l.readUpper(x5, aUpper, v128.and(bUpper, m5)) : none,
    );
    x0 = x0.at(select<usize>(column, 0, in0));
    x1 = x1.at(select<usize>(column, 0, in1));
    x2 = x2.at(select<usize>(column, 0, in2));
    x3 = x3.at(select<usize>(column, 0, in3));
    x4 = x4.at(select<usize>(column, 0, in4));
    x5 = x5.at(select<usize>(column, 0, in5));
    s = s.at(8);
  } while (--count > 0);
}

/** Zeros in the columns [begin, end). */
function clear<P>(strip: F32, begin: i32, end: i32): void {
  const none = f32x4.splat(0);
  for (let j = begin; j < end; j++)
    for (let i: usize = 0; i < changetype<P>(0).outputs; i++)
      strip.at(4 * j).setLanes(i * STRIP_WIDTH, none);
}

function clearPairs<P>(strip: F32, begin: i32, end: i32): void {
  const none = f32x4.splat(0);
  for (let j = begin; j < end; j++)
    for (let i: usize = 0; i < changetype<P>(0).outputs; i++)
      strip.at(8 * j).setPair(i * WIDE_STRIP_WIDTH, none, none);
}
