import { F32 } from '../f32';

/*
 * Packs rows of one head into the layouts of the products in `winograd/micro-kernels`. A head's width may be any
 * number: blocks are padded with zeros, and missing rows repeat the last one.
 */

/**
 * Groups of four rows, interleaved by four floats: to [rows/4][width/4][4 rows][4], rounded up.
 * The A of products that sum over the width.
 */
export function packGroups(to: F32, x: F32, stride: usize, rows: usize, width: usize): void {
  const last = rows - 1;
  for (let row: usize = 0; row < rows; row += 4) {
    const x0 = x.at(row * stride);
    const x1 = x.at(min(row + 1, last) * stride);
    const x2 = x.at(min(row + 2, last) * stride);
    const x3 = x.at(min(row + 3, last) * stride);
    let c: usize = 0;
    for (; c + 4 <= width; c += 4) {
      to.setLanes(0, x0.lanes(c));
      to.setLanes(4, x1.lanes(c));
      to.setLanes(8, x2.lanes(c));
      to.setLanes(12, x3.lanes(c));
      to = to.at(16);
    }
    if (c < width) {
      to.setLanes(0, firstLanes(x0.at(c), width - c));
      to.setLanes(4, firstLanes(x1.at(c), width - c));
      to.setLanes(8, firstLanes(x2.at(c), width - c));
      to.setLanes(12, firstLanes(x3.at(c), width - c));
      to = to.at(16);
    }
  }
}

/**
 * Panels of eight floats of every row, each row times its factor: to [width/8][rows][8], rounded up, `step` floats from one
 * panel to the next. The B of products that sum over the rows. factors: f32[rows], or null for 1
 */
export function packPanels(
  to: F32,
  step: usize,
  x: F32,
  stride: usize,
  factors: F32,
  rows: usize,
  width: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    const factor = changetype<usize>(factors) ? factors.splat(row) : f32x4.splat(1);
    let panel = to.at(row * 8);
    let c: usize = 0;
    for (; c + 8 <= width; c += 8) {
      const low = f32x4.mul(x.lanes(c), factor);
      panel.setPair(0, low, f32x4.mul(x.upperLanes(c), factor));
      panel = panel.at(step);
    }
    if (c < width) {
      const high = width - min(width, c + 4);
      panel.setLanes(0, f32x4.mul(firstLanes(x.at(c), min(4, width - c)), factor));
      panel.setLanes(4, f32x4.mul(firstLanes(x.at(c + 4), high), factor));
    }
    x = x.at(stride);
  }
}

/**
 * Transposes up to eight rows into columns: to [width][8] with the width rounded up to a multiple of 4. Missing rows
 * repeat the last one; column i is multiplied by factors[i]. The B of products that sum over the width.
 */
export function packColumns(
  to: F32,
  x: F32,
  stride: usize,
  factors: F32,
  rows: usize,
  width: usize,
): void {
  const last = rows - 1;
  for (let half: usize = 0; half < 8; half += 4) {
    const factor = factors.lanes(half);
    const x0 = x.at(min(half, last) * stride);
    const x1 = x.at(min(half + 1, last) * stride);
    const x2 = x.at(min(half + 2, last) * stride);
    const x3 = x.at(min(half + 3, last) * stride);
    for (let c: usize = 0; c < width; c += 4) {
      const rest = min(4, width - c);
      const a = firstLanes(x0.at(c), rest);
      const b = firstLanes(x1.at(c), rest);
      const d = firstLanes(x2.at(c), rest);
      const e = firstLanes(x3.at(c), rest);
      const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
      const de = i32x4.shuffle(d, e, 0, 4, 1, 5);
      const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
      const deHigh = i32x4.shuffle(d, e, 2, 6, 3, 7);
      const column = to.at(c * 8 + half);
      column.setLanes(0, f32x4.mul(i64x2.shuffle(ab, de, 0, 2), factor));
      column.setLanes(8, f32x4.mul(i64x2.shuffle(ab, de, 1, 3), factor));
      column.setLanes(16, f32x4.mul(i64x2.shuffle(abHigh, deHigh, 0, 2), factor));
      column.setLanes(24, f32x4.mul(i64x2.shuffle(abHigh, deHigh, 1, 3), factor));
    }
  }
}

/**
 * Rows of C times their factors: out[row, c] = factors[row] · panels[c/8][row][c mod 8], `step` floats from one panel to the
 * next. factors: f32[rows], or null for 1
 */
export function unpackPanels(
  out: F32,
  stride: usize,
  panels: F32,
  step: usize,
  factors: F32,
  rows: usize,
  width: usize,
): void {
  for (let row: usize = 0; row < rows; row++) {
    const factor = changetype<usize>(factors) ? factors.splat(row) : f32x4.splat(1);
    let panel = panels.at(row * 8);
    for (let c: usize = 0; c < width; c += 8) {
      const low = f32x4.mul(panel.lanes(0), factor);
      const high = f32x4.mul(panel.lanes(4), factor);
      setFirstLanes(out.at(c), low, min(4, width - c));
      if (c + 4 < width) setFirstLanes(out.at(c + 4), high, min(4, width - c - 4));
      panel = panel.at(step);
    }
    out = out.at(stride);
  }
}

/** out[row, c] = 0 for `from` <= c < `channels`. */
export function clearPadding(
  out: F32,
  stride: usize,
  rows: usize,
  from: usize,
  channels: usize,
): void {
  for (let row: usize = 0; row < rows; row++)
    for (let c = from; c < channels; c++) out[row * stride + c] = 0;
}

/** The first `count` floats, 0 to 4, then zeros; reads nothing else. */
function firstLanes(x: F32, count: usize): v128 {
  if (count === 4) return x.lanes(0);
  let lanes = f32x4.splat(0);
  if (count > 0) lanes = f32x4.replace_lane(lanes, 0, x[0]);
  if (count > 1) lanes = f32x4.replace_lane(lanes, 1, x[1]);
  if (count > 2) lanes = f32x4.replace_lane(lanes, 2, x[2]);
  return lanes;
}

/** Writes the first `count` lanes, 0 to 4. */
function setFirstLanes(out: F32, lanes: v128, count: usize): void {
  if (count === 4) {
    out.setLanes(0, lanes);
    return;
  }
  if (count > 0) out[0] = f32x4.extract_lane(lanes, 0);
  if (count > 1) out[1] = f32x4.extract_lane(lanes, 1);
  if (count > 2) out[2] = f32x4.extract_lane(lanes, 2);
}
