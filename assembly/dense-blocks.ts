import { copyChannels } from './channels';
import {
  DENSE_GRADIENT_CHUNK,
  DENSE_GRADIENT_INPUTS,
  DENSE_GRADIENT_PADDING,
  DENSE_GRADIENT_PANELS,
  DENSE_PANELS,
  DENSE_ROWS,
} from './constants';
import { dense, put } from './dense';
import { F32 } from './f32';
import { accumulateRows } from './winograd/accumulate';
import { Eights, RowsByEight } from './winograd/layouts';
import { SIX_ROWS } from './winograd/micro-kernels';
import { multiplyQuads } from './winograd/multiply';
import { wide } from './winograd/wide';

/*
 * The layers of dense.ts over many rows. A worker packs some rows into the layouts of `winograd/micro-kernels`, in its own
 * scratch that stays in its cache, and multiplies them with all weights.
 */

/** In the type used for counts; the rows are packed once for all panels of an item. */
const ROWS: usize = DENSE_ROWS;
const PANELS: usize = DENSE_PANELS;
/** Inputs to multiply at a time: as in `winograd/multiply`. */
const DEPTH: usize = 256;

/**
 * `dense`, with the same bits: each sum starts with the bias and takes the inputs in order. Blocks of four rows are no faster
 * than `dense` itself (measured).
 * Items: blocks of 48 rows x blocks of 16 panels, the panels fastest.
 * @param base what the output is added to, with the flag ACCUMULATE, in rows of `baseStride` floats; null: the contents of y
 * @param scratch f32[48 · (inputs + 8)], the caller's own
 */
export function denseBlocks(
  y: F32,
  yStride: usize,
  base: F32,
  baseStride: usize,
  x: F32,
  xStride: usize,
  w: F32,
  bias: F32,
  rows: usize,
  inputs: usize,
  panels: usize,
  flags: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const across = (panels + PANELS - 1) / PANELS;
  const groups = scratch.at(ROWS * 8);
  for (let item = begin; item < end; item++) {
    const first = (item / across) * ROWS;
    const count = min(ROWS, rows - first);
    const start = (item % across) * PANELS;
    const stop = min(start + PANELS, panels);
    if (changetype<usize>(base) !== 0) {
      const to = y.at(first * yStride + start * 8);
      const from = base.at(first * baseStride + start * 8);
      const channels = <i32>(stop - start) * 8;
      copyChannels(to, <i32>yStride, from, <i32>baseStride, channels, false, 0, <i32>count);
    }
    if (!SIX_ROWS && !wide) {
      for (let row: usize = first; row < first + count; row += 4) {
        const from = (row / 4) * panels;
        const to = from + stop;
        dense(y, yStride, x, xStride, w, bias, rows, inputs, panels, flags, from + start, to);
      }
      continue;
    }
    packRows(groups, x.at(first * xStride), xStride, count, inputs);
    for (let panel = start; panel < stop; panel++) {
      startSums(scratch, bias, panel * 8, (count + 3) & ~3);
      const b = w.at(panel * inputs * 8);
      multiplyPanel(scratch, changetype<usize>(groups), changetype<usize>(b), inputs, count);
      putRows(y.at(first * yStride + panel * 8), yStride, scratch, count, flags);
    }
  }
}

/** Initialises eight sums of each row, with the bias or 0. */
function startSums(sums: F32, bias: F32, at: usize, rows: usize): void {
  let low = f32x4.splat(0);
  let high = low;
  if (changetype<usize>(bias) !== 0) {
    low = bias.lanes(at);
    high = bias.upperLanes(at);
  }
  for (let row: usize = 0; row < rows; row++) sums.setPair(8 * row, low, high);
}

/** Groups of four rows, interleaved by eight floats: to [rows/4][inputs/8][4 rows][8]. Missing rows repeat the last. */
function packRows(to: F32, x: F32, stride: usize, rows: usize, inputs: usize): void {
  const last = rows - 1;
  for (let row: usize = 0; row < rows; row += 4) {
    const x0 = x.at(row * stride);
    const x1 = x.at(min(row + 1, last) * stride);
    const x2 = x.at(min(row + 2, last) * stride);
    const x3 = x.at(min(row + 3, last) * stride);
    for (let c: usize = 0; c < inputs; c += 8) {
      to.setPair(0, x0.lanes(c), x0.upperLanes(c));
      to.setPair(8, x1.lanes(c), x1.upperLanes(c));
      to.setPair(16, x2.lanes(c), x2.upperLanes(c));
      to.setPair(24, x3.lanes(c), x3.upperLanes(c));
      to = to.at(32);
    }
  }
}

function multiplyPanel(sums: F32, a: usize, b: usize, inputs: usize, rows: usize): void {
  const quads = (rows + 3) >> 2;
  for (let c: usize = 0; c < inputs; c += DEPTH) {
    const depth = min(DEPTH, inputs - c);
    multiplyQuads<Eights>(sums, 32, a + 16 * c, 16 * inputs, b + 32 * c, depth, 96, quads, 1);
  }
}

function putRows(y: F32, stride: usize, sums: F32, rows: usize, flags: i32): void {
  for (let row: usize = 0; row < rows; row++) {
    put(y, sums.lanes(0), sums.upperLanes(0), flags);
    sums = sums.at(8);
    y = y.at(stride);
  }
}

/** The same for `denseWeightsBlocks`. */
const CHUNK: usize = DENSE_GRADIENT_CHUNK;
const PADDING: usize = DENSE_GRADIENT_PADDING;
const CHANNELS: usize = DENSE_GRADIENT_INPUTS;
const WEIGHT_PANELS: usize = DENSE_GRADIENT_PANELS;

/**
 * dw[ci, co] = Σ_r x[r, ci] · dy[r, co] of each group of rows, summed in order: partial f32 [groups][panels][inputs][8].
 * Items: groups x blocks of 128 inputs x blocks of 8 panels, the panels fastest.
 * @param group rows per group
 * @param scratch f32[(16 + 8) · (8 · 128 + 16)], the caller's own
 */
export function denseWeightsBlocks(
  partial: F32,
  x: F32,
  xStride: usize,
  dy: F32,
  dyStride: usize,
  rows: usize,
  inputs: usize,
  panels: usize,
  group: usize,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const down = (inputs + CHANNELS - 1) / CHANNELS;
  const across = (panels + WEIGHT_PANELS - 1) / WEIGHT_PANELS;
  const step: usize = 8 * CHUNK + PADDING;
  const b = scratch.at((CHANNELS / 8) * step);
  for (let item = begin; item < end; item++) {
    const block = item / across;
    const number = block / down;
    const channel = (block % down) * CHANNELS;
    const channels = min(CHANNELS, inputs - channel);
    const panel = (item % across) * WEIGHT_PANELS;
    const some = min(WEIGHT_PANELS, panels - panel);
    const sums = partial.at(((number * panels + panel) * inputs + channel) * 8);
    const start = number * group;
    const stop = min(start + group, rows);
    for (let row = start; row < stop; row += CHUNK) {
      const count = min(CHUNK, stop - row);
      packColumns(scratch, step, x.at(row * xStride + channel), xStride, count, channels);
      packColumns(b, step, dy.at(row * dyStride + 8 * panel), dyStride, count, 8 * some);
      const more = <i32>(row > start);
      for (let p: usize = 0; p < some; p++) {
        const from = changetype<usize>(b.at(p * step));
        const to = sums.at(p * inputs * 8);
        accumulateRows<RowsByEight>(
          to,
          changetype<usize>(scratch),
          4 * step,
          from,
          count,
          channels,
          more,
        );
      }
    }
  }
}

/** Groups of eight channels of every row: to [channels/8][rows][8], `step` floats from one group to the next. */
function packColumns(
  to: F32,
  step: usize,
  x: F32,
  stride: usize,
  rows: usize,
  channels: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    let eight = to.at(row * 8);
    for (let c: usize = 0; c < channels; c += 8) {
      eight.setPair(0, x.lanes(c), x.upperLanes(c));
      eight = eight.at(step);
    }
    x = x.at(stride);
  }
}

/** dw = Σ over the groups, in order. Items: vectors of four weights. */
export function denseWeightsJoin(
  dw: F32,
  partial: F32,
  groups: usize,
  floats: usize,
  begin: usize,
  end: usize,
): void {
  for (let item = begin; item < end; item++) {
    let from = partial.at(4 * item);
    let sum = from.lanes(0);
    for (let group: usize = 1; group < groups; group++) {
      from = from.at(floats);
      sum = f32x4.add(sum, from.lanes(0));
    }
    dw.setLanes(4 * item, sum);
  }
}
