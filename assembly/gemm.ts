import { F32, madd } from './f32';

/*
 * The two 4x8 micro-kernels. Eight accumulators of four lanes hold a 4-row, 8-column tile of C while k runs.
 * One k a loop body: unrolling in source makes V8 spill the accumulators (measured: a third slower).
 */

/**
 * C[4 rows][8] = start + A·B over `depth` (a multiple of 4), rows at c0…c3.
 * a: [depth/4][4 rows][4 k]; b: [depth][8]. start: 0, or `bias` (8 floats) if not null, or C itself if `add`.
 */
export function tile(
  c0: F32,
  c1: F32,
  c2: F32,
  c3: F32,
  a: F32,
  b: F32,
  depth: i32,
  bias: F32,
  add: bool,
  relu: bool,
): void {
  let s00: v128, s01: v128, s10: v128, s11: v128, s20: v128, s21: v128, s30: v128, s31: v128;
  if (add) {
    s00 = c0.lanes(0);
    s01 = c0.lanes(4);
    s10 = c1.lanes(0);
    s11 = c1.lanes(4);
    s20 = c2.lanes(0);
    s21 = c2.lanes(4);
    s30 = c3.lanes(0);
    s31 = c3.lanes(4);
  } else if (changetype<usize>(bias) !== 0) {
    s00 = bias.lanes(0);
    s01 = bias.lanes(4);
    s10 = s00;
    s11 = s01;
    s20 = s00;
    s21 = s01;
    s30 = s00;
    s31 = s01;
  } else {
    s00 = f32x4.splat(0);
    s01 = s00;
    s10 = s00;
    s11 = s00;
    s20 = s00;
    s21 = s00;
    s30 = s00;
    s31 = s00;
  }
  let p = changetype<usize>(a);
  let q = changetype<usize>(b);
  const end = q + ((<usize>depth) << 5);
  while (q < end) {
    const quad = q + 128;
    while (q < quad) {
      const b0 = v128.load(q);
      const b1 = v128.load(q, 16);
      const a0 = v128.load_splat<f32>(p);
      s00 = madd(a0, b0, s00);
      s01 = madd(a0, b1, s01);
      const a1 = v128.load_splat<f32>(p, 16);
      s10 = madd(a1, b0, s10);
      s11 = madd(a1, b1, s11);
      const a2 = v128.load_splat<f32>(p, 32);
      s20 = madd(a2, b0, s20);
      s21 = madd(a2, b1, s21);
      const a3 = v128.load_splat<f32>(p, 48);
      s30 = madd(a3, b0, s30);
      s31 = madd(a3, b1, s31);
      p += 4;
      q += 32;
    }
    p += 48;
  }
  if (relu) {
    const zero = f32x4.splat(0);
    s00 = f32x4.max(s00, zero);
    s01 = f32x4.max(s01, zero);
    s10 = f32x4.max(s10, zero);
    s11 = f32x4.max(s11, zero);
    s20 = f32x4.max(s20, zero);
    s21 = f32x4.max(s21, zero);
    s30 = f32x4.max(s30, zero);
    s31 = f32x4.max(s31, zero);
  }
  c0.setLanes(0, s00);
  c0.setLanes(4, s01);
  c1.setLanes(0, s10);
  c1.setLanes(4, s11);
  c2.setLanes(0, s20);
  c2.setLanes(4, s21);
  c3.setLanes(0, s30);
  c3.setLanes(4, s31);
}

/**
 * C[4][8] (+)= Aᵀ·B over `rows`: the weight-gradient tile. a: [rows][4]; b: [rows][8]; c: [4][8] contiguous.
 * The sum runs over the rows in order; `add` continues an earlier one.
 */
export function tileOverRows(c: F32, a: F32, b: F32, rows: i32, add: bool): void {
  let s00 = f32x4.splat(0),
    s01 = s00,
    s10 = s00,
    s11 = s00,
    s20 = s00,
    s21 = s00,
    s30 = s00,
    s31 = s00;
  if (add) {
    s00 = c.lanes(0);
    s01 = c.lanes(4);
    s10 = c.lanes(8);
    s11 = c.lanes(12);
    s20 = c.lanes(16);
    s21 = c.lanes(20);
    s30 = c.lanes(24);
    s31 = c.lanes(28);
  }
  let p = changetype<usize>(a);
  let q = changetype<usize>(b);
  const end = q + ((<usize>rows) << 5);
  while (q < end) {
    const b0 = v128.load(q);
    const b1 = v128.load(q, 16);
    const a0 = v128.load_splat<f32>(p);
    s00 = madd(a0, b0, s00);
    s01 = madd(a0, b1, s01);
    const a1 = v128.load_splat<f32>(p, 4);
    s10 = madd(a1, b0, s10);
    s11 = madd(a1, b1, s11);
    const a2 = v128.load_splat<f32>(p, 8);
    s20 = madd(a2, b0, s20);
    s21 = madd(a2, b1, s21);
    const a3 = v128.load_splat<f32>(p, 12);
    s30 = madd(a3, b0, s30);
    s31 = madd(a3, b1, s31);
    p += 16;
    q += 32;
  }
  c.setLanes(0, s00);
  c.setLanes(4, s01);
  c.setLanes(8, s10);
  c.setLanes(12, s11);
  c.setLanes(16, s20);
  c.setLanes(20, s21);
  c.setLanes(24, s30);
  c.setLanes(28, s31);
}
