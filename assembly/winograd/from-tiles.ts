import { ACCUMULATE, CHANNEL_BLOCK, RELU, SANDWICH_SCRATCH } from '../constants';
import { F32 } from '../f32';
import { clearRows, fetchRows } from './fetch';
import { AddFloor, Floor, Plain } from './sink';
import { Tiling, toNextFour } from './tiling';
import { wide } from './wide';

/** A flag of `fromTiles` beside ACCUMULATE and RELU: only this call writes pixels of these tiles, and the pixels between them will be written too. */
export const ALONE: i32 = 4;

/**
 * Transforms products back to pixels: y = Aᵀ M A + bias, added to the previous contents with ACCUMULATE, then max(y, 0)
 * with RELU. Writes only pixels inside the image. Items: see `tileItems`.
 * @param y the tensor of `g`
 * @param m the products, laid out as `g` says; those of its items are overwritten
 * @param bias f32[channels] or null. It is added to the product of the points (1, 1), whose value goes into every
 *   output of the tile once.
 * @param scratch f32[STRIP_SCRATCH], the caller's own: half-transformed tiles, then a tile of 4 x 4 vectors or pairs of them
 */
export function fromTiles<P>(
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
  const p = changetype<P>(0);
  const side = <i32>p.outputs;
  const blocks = g.channelBlocks();
  const groups = (count + 3) >> 2;
  const plane = <usize>g.plane;
  const rowOfPlanes = p.inputs * plane;
  const column = <usize>(g.step * g.pixel);
  const row = column * <usize>g.width;
  const accumulate = (flags & ACCUMULATE) !== 0;
  const clear = (flags & ALONE) !== 0 && g.pixel === g.channels && !accumulate;
  const half = <usize>g.half;
  const eight = <usize>g.eight;
  const floor = f32x4.splat(flags & RELU ? 0 : -Infinity);
  for (let item = <i32>begin; item < <i32>end; item++) {
    const c0 = (item % blocks) * CHANNEL_BLOCK;
    const group = (item / blocks) % groups;
    const phase = item / (blocks * groups);
    const channels = <usize>min(CHANNEL_BLOCK, g.channels - c0);
    const from = m.at(phase * g.phaseStride + group * g.block + (c0 >> 3) * g.eight);
    for (let t = 4 * group; t < min(4 * group + 4, count); t++) {
      const tx = (first + t) % g.across;
      const ty = ((first + t) / g.across) % g.down;
      const image = (first + t) / (g.across * g.down);
      const top = ty * side * g.step + g.origin + (phase >> 1);
      const left = tx * side * g.step + g.origin + (phase & 1);
      const corner = y.at(((image * g.height + top) * g.width + left) * g.pixel + c0);
      if (tx === 0 && c0 === 0 && phase === 0) {
        const topRow = image * g.height + top;
        if (clear && t + g.across <= count)
          clearRows(y, g, topRow, min(side * g.step, g.height - top));
        else fetchRows(y, g, topRow + side * g.step, side, scratch);
      }
      const rows = min(side, (g.height - top + g.step - 1) / g.step);
      const columns = min(side, (g.width - left + g.step - 1) / g.step);
      const whole = rows === side && columns === side;
      let c: usize = 0;
      let at = from.at((t & 3) * g.tile);
      if (wide) {
        do {
          if (changetype<usize>(bias) !== 0) {
            const ones = at.at(rowOfPlanes + plane);
            const b = bias.at(<usize>c0 + c);
            const low = f32x4.add(ones.lanes(0), b.lanes(0));
            ones.setPair(0, low, f32x4.add(ones.upperLanes(0), b.upperLanes(0)));
          }
          const to = corner.at(c);
          Out.columnPairs<P>(scratch, at, rowOfPlanes, plane);
          if (!whole) {
            const tile = scratch.at(2 * SANDWICH_SCRATCH);
            Out.rowPairs<P, Plain>(tile, 8 * p.outputs, 8, scratch, floor);
            const width: usize = 8 * p.outputs;
            copyInside(to, row, column, tile, width, 8, rows, columns, accumulate, floor);
            const upper = tile.at(4);
            copyInside(to.at(4), row, column, upper, width, 8, rows, columns, accumulate, floor);
          } else if (accumulate) Out.rowPairs<P, AddFloor>(to, row, column, scratch, floor);
          else Out.rowPairs<P, Floor>(to, row, column, scratch, floor);
          at = at.at(eight);
          c += 8;
        } while (c < channels);
        continue;
      }
      do {
        if (changetype<usize>(bias) !== 0) {
          const ones = at.at(rowOfPlanes + plane);
          ones.setLanes(0, f32x4.add(ones.lanes(0), bias.lanes(<usize>c0 + c)));
        }
        Out.columns<P>(scratch, at, rowOfPlanes, plane);
        const to = corner.at(c);
        if (!whole) {
          const tile = scratch.at(SANDWICH_SCRATCH);
          Out.rows<P, Plain>(tile, 4 * p.outputs, 4, scratch, floor);
          copyInside(to, row, column, tile, 4 * p.outputs, 4, rows, columns, accumulate, floor);
        } else if (accumulate) Out.rows<P, AddFloor>(to, row, column, scratch, floor);
        else Out.rows<P, Floor>(to, row, column, scratch, floor);
        at = at.at(toNextFour(c, half, eight));
        c += 4;
      } while (c < channels);
    }
  }
}

/** Like `Line` of sandwich.ts, for maps that write their results as S says. */
@unmanaged
class Out {
  @inline
  static apply<P, S>(t: F32, tStep: usize, x: F32, step: usize, floor: v128): void {
    const p = changetype<P>(0);
    const none = f32x4.splat(0);
    p.apply<S>(
      t,
      tStep,
      x.lanes(0),
      x.lanes(step),
      x.lanes(2 * step),
      p.inputs > 3 ? x.lanes(3 * step) : none,
      p.inputs > 4 ? x.lanes(4 * step) : none,
      p.inputs > 5 ? x.lanes(5 * step) : none,
      floor,
    );
  }

  /** Aᵀ M: scratch [outputs][inputs] from the products at (i, j), at offset i·row + j·column floats. */
  @inline
  static columns<P>(scratch: F32, m: F32, row: usize, column: usize): void {
    const p = changetype<P>(0);
    const width = p.inputs * 4;
    const floor = f32x4.splat(0);
    Out.apply<P, Plain>(scratch, width, m, row, floor);
    Out.apply<P, Plain>(scratch.at(4), width, m.at(column), row, floor);
    Out.apply<P, Plain>(scratch.at(8), width, m.at(2 * column), row, floor);
    if (p.inputs > 3) Out.apply<P, Plain>(scratch.at(12), width, m.at(3 * column), row, floor);
    if (p.inputs > 4) Out.apply<P, Plain>(scratch.at(16), width, m.at(4 * column), row, floor);
    if (p.inputs > 5) Out.apply<P, Plain>(scratch.at(20), width, m.at(5 * column), row, floor);
  }

  /** (Aᵀ M) A, row by row into S: pixel (i, j) at offset i·row + j·column floats. */
  @inline
  static rows<P, S>(y: F32, row: usize, column: usize, scratch: F32, floor: v128): void {
    const p = changetype<P>(0);
    const width = p.inputs * 4;
    Out.apply<P, S>(y, column, scratch, 4, floor);
    Out.apply<P, S>(y.at(row), column, scratch.at(width), 4, floor);
    if (p.outputs > 2) Out.apply<P, S>(y.at(2 * row), column, scratch.at(2 * width), 4, floor);
    if (p.outputs > 3) Out.apply<P, S>(y.at(3 * row), column, scratch.at(3 * width), 4, floor);
  }

  /** The same for eight channels. */
  @inline
  static applyPair<P, S>(t: F32, tStep: usize, x: F32, step: usize, floor: v128): void {
    const p = changetype<P>(0);
    const none = f32x4.splat(0);
    const x1 = x.at(step);
    const x2 = x.at(2 * step);
    const x3 = x.at(3 * step);
    const x4 = x.at(4 * step);
    const x5 = x.at(5 * step);
    p.applyPair<S>(
      t,
      tStep,
      x.lanes(0),
      x1.lanes(0),
      x2.lanes(0),
      p.inputs > 3 ? x3.lanes(0) : none,
      p.inputs > 4 ? x4.lanes(0) : none,
      p.inputs > 5 ? x5.lanes(0) : none,
      x.upperLanes(0),
      x1.upperLanes(0),
      x2.upperLanes(0),
      p.inputs > 3 ? x3.upperLanes(0) : none,
      p.inputs > 4 ? x4.upperLanes(0) : none,
      p.inputs > 5 ? x5.upperLanes(0) : none,
      floor,
    );
  }

  @inline
  static columnPairs<P>(scratch: F32, m: F32, row: usize, column: usize): void {
    const p = changetype<P>(0);
    const width = p.inputs * 8;
    const floor = f32x4.splat(0);
    Out.applyPair<P, Plain>(scratch, width, m, row, floor);
    Out.applyPair<P, Plain>(scratch.at(8), width, m.at(column), row, floor);
    Out.applyPair<P, Plain>(scratch.at(16), width, m.at(2 * column), row, floor);
    if (p.inputs > 3) Out.applyPair<P, Plain>(scratch.at(24), width, m.at(3 * column), row, floor);
    if (p.inputs > 4) Out.applyPair<P, Plain>(scratch.at(32), width, m.at(4 * column), row, floor);
    if (p.inputs > 5) Out.applyPair<P, Plain>(scratch.at(40), width, m.at(5 * column), row, floor);
  }

  @inline
  static rowPairs<P, S>(y: F32, row: usize, column: usize, scratch: F32, floor: v128): void {
    const p = changetype<P>(0);
    const width = p.inputs * 8;
    Out.applyPair<P, S>(y, column, scratch, 8, floor);
    Out.applyPair<P, S>(y.at(row), column, scratch.at(width), 8, floor);
    if (p.outputs > 2) Out.applyPair<P, S>(y.at(2 * row), column, scratch.at(2 * width), 8, floor);
    if (p.outputs > 3) Out.applyPair<P, S>(y.at(3 * row), column, scratch.at(3 * width), 8, floor);
  }
}

/** Copies the part of a tile that lies inside the image from scratch to its pixels: rows of `width` floats, vectors `apart` floats apart. */
function copyInside(
  y: F32,
  row: usize,
  column: usize,
  tile: F32,
  width: usize,
  apart: usize,
  rows: i32,
  columns: i32,
  accumulate: bool,
  floor: v128,
): void {
  const add = changetype<AddFloor>(0);
  const set = changetype<Floor>(0);
  for (let i: usize = 0; i < <usize>rows; i++)
    for (let j: usize = 0; j < <usize>columns; j++) {
      const value = tile.lanes(i * width + apart * j);
      const pixel = y.at(i * row + j * column);
      if (accumulate) add.put(pixel, 0, value, floor);
      else set.put(pixel, 0, value, floor);
    }
}
