import { ACCUMULATE, RELU } from './constants';
import { F32, madd } from './f32';

/*
 * Layers without a neighbourhood: 1x1 convolutions and linear layers, over rows of floats (pixels or images). Weights are
 * panels w[outputs/8][inputs][8]; rows are `stride` floats apart; channel counts are multiples of 8.
 */

/**
 * y[r, co] = bias[co] + Σ_ci x[r, ci] · w[ci, co], added to the previous contents with ACCUMULATE, then max(y, 0) with RELU.
 * bias: f32[outputs] or null. Each sum starts with the bias and takes ci in order. Items: groups of four rows x panels, the
 * panel fastest; the last group repeats the last row if rows are missing, which gives the same bits twice.
 */
export function dense(
  y: F32,
  yStride: usize,
  x: F32,
  xStride: usize,
  w: F32,
  bias: F32,
  rows: usize,
  inputs: usize,
  panels: usize,
  flags: i32,
  begin: usize,
  end: usize,
): void {
  const none = f32x4.splat(0);
  for (let item = begin; item < end; item++) {
    const panel = item % panels;
    const row0 = (item / panels) * 4;
    const row1 = min(row0 + 1, rows - 1);
    const row2 = min(row0 + 2, rows - 1);
    const row3 = min(row0 + 3, rows - 1);
    let a0 = changetype<usize>(x.at(row0 * xStride));
    let a1 = changetype<usize>(x.at(row1 * xStride));
    let a2 = changetype<usize>(x.at(row2 * xStride));
    let a3 = changetype<usize>(x.at(row3 * xStride));
    let b = changetype<usize>(w.at(panel * inputs * 8));
    let low = none;
    let high = none;
    if (changetype<usize>(bias) !== 0) {
      low = bias.lanes(panel * 8);
      high = bias.lanes(panel * 8 + 4);
    }
    let s00 = low;
    let s01 = high;
    let s10 = low;
    let s11 = high;
    let s20 = low;
    let s21 = high;
    let s30 = low;
    let s31 = high;
    const stop = b + 32 * inputs;
    while (b < stop) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      let a = v128.load_splat<f32>(a0);
      s00 = madd(a, b0, s00);
      s01 = madd(a, b1, s01);
      a = v128.load_splat<f32>(a1);
      s10 = madd(a, b0, s10);
      s11 = madd(a, b1, s11);
      a = v128.load_splat<f32>(a2);
      s20 = madd(a, b0, s20);
      s21 = madd(a, b1, s21);
      a = v128.load_splat<f32>(a3);
      s30 = madd(a, b0, s30);
      s31 = madd(a, b1, s31);
      a0 += 4;
      a1 += 4;
      a2 += 4;
      a3 += 4;
      b += 32;
    }
    const to = y.at(panel * 8);
    put(to.at(row0 * yStride), s00, s01, flags);
    if (row1 > row0) put(to.at(row1 * yStride), s10, s11, flags);
    if (row2 > row1) put(to.at(row2 * yStride), s20, s21, flags);
    if (row3 > row2) put(to.at(row3 * yStride), s30, s31, flags);
  }
}

/** Writes eight outputs of a row. */
export function put(y: F32, low: v128, high: v128, flags: i32): void {
  if (flags & ACCUMULATE) {
    low = f32x4.add(y.lanes(0), low);
    high = f32x4.add(y.upperLanes(0), high);
  }
  const floor = f32x4.splat(flags & RELU ? 0 : -Infinity);
  y.setPair(0, f32x4.pmax(low, floor), f32x4.pmax(high, floor));
}

/**
 * dw[ci, co] = Σ_r x[r, ci] · dy[r, co], each summed over the rows in order. Items: groups of four input channels x
 * panels, the panel fastest.
 */
export function denseWeights(
  dw: F32,
  x: F32,
  xStride: usize,
  dy: F32,
  dyStride: usize,
  rows: usize,
  inputs: usize,
  panels: usize,
  begin: usize,
  end: usize,
): void {
  const aStep = xStride << 2;
  const bStep = dyStride << 2;
  for (let item = begin; item < end; item++) {
    const panel = item % panels;
    const channel = (item / panels) * 4;
    let a = changetype<usize>(x.at(channel));
    let b = changetype<usize>(dy.at(panel * 8));
    let s00 = f32x4.splat(0);
    let s01 = s00;
    let s10 = s00;
    let s11 = s00;
    let s20 = s00;
    let s21 = s00;
    let s30 = s00;
    let s31 = s00;
    for (let row: usize = 0; row < rows; row++) {
      const b0 = v128.load(b);
      const b1 = v128.load(b, 16);
      let s = v128.load_splat<f32>(a);
      s00 = madd(s, b0, s00);
      s01 = madd(s, b1, s01);
      s = v128.load_splat<f32>(a, 4);
      s10 = madd(s, b0, s10);
      s11 = madd(s, b1, s11);
      s = v128.load_splat<f32>(a, 8);
      s20 = madd(s, b0, s20);
      s21 = madd(s, b1, s21);
      s = v128.load_splat<f32>(a, 12);
      s30 = madd(s, b0, s30);
      s31 = madd(s, b1, s31);
      a += aStep;
      b += bStep;
    }
    const to = dw.at((panel * inputs + channel) * 8);
    to.setLanes(0, s00);
    to.setLanes(4, s01);
    to.setLanes(8, s10);
    to.setLanes(12, s11);
    to.setLanes(16, s20);
    to.setLanes(20, s21);
    to.setLanes(24, s30);
    to.setLanes(28, s31);
  }
}
