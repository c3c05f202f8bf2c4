import { F32, madd } from '../f32';

/**
 * C (+)= Σ_k A[k/4][4 rows][4 of k] · B[k][8], a 4 x 8 block with all of its sums in registers; adds to C where `more`
 * is not 0. k is a multiple of 4, a of 16 bytes.
 * One k per loop body: unrolled in the source, the kernel runs a third slower under V8. Addresses, and
 * not typed pointers, because only so do the offsets of the splats become part of the instruction.
 */
export function multiply4x8(c: F32, a: usize, b: usize, k: usize, more: i32): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  if (more) {
    c00 = c.lanes(0);
    c01 = c.lanes(4);
    c10 = c.lanes(8);
    c11 = c.lanes(12);
    c20 = c.lanes(16);
    c21 = c.lanes(20);
    c30 = c.lanes(24);
    c31 = c.lanes(28);
  }
  const end = b + 32 * k;
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load_splat<f32>(a);
    c00 = madd(a0, b0, c00);
    c01 = madd(a0, b1, c01);
    const a1 = v128.load_splat<f32>(a, 16);
    c10 = madd(a1, b0, c10);
    c11 = madd(a1, b1, c11);
    const a2 = v128.load_splat<f32>(a, 32);
    c20 = madd(a2, b0, c20);
    c21 = madd(a2, b1, c21);
    const a3 = v128.load_splat<f32>(a, 48);
    c30 = madd(a3, b0, c30);
    c31 = madd(a3, b1, c31);
    b += 32;
    a += 4;
    if ((a & 12) === 0) a += 48;
  }
  c.setLanes(0, c00);
  c.setLanes(4, c01);
  c.setLanes(8, c10);
  c.setLanes(12, c11);
  c.setLanes(16, c20);
  c.setLanes(20, c21);
  c.setLanes(24, c30);
  c.setLanes(28, c31);
}

/**
 * M[point] = V[point] · U[point] for every point of the transform: sums over the input channels. Items: points x
 * panels of 8 output channels, the panel fastest.
 * m: [point][tiles/4][panels][4][8], v: [point][tiles/4][k/4][4][4], u: [point][panels][k][8]
 * @param k input channels (those of all phases that are stacked); a multiple of 8
 * @param quads groups of four tiles
 * @param mPlane,vPlane,uPlane floats from a point to the next
 */
export function multiply(
  m: F32,
  v: F32,
  u: F32,
  k: usize,
  panels: usize,
  quads: usize,
  mPlane: usize,
  vPlane: usize,
  uPlane: usize,
  begin: usize,
  end: usize,
): void {
  for (let item = begin; item < end; item++) {
    const point = item / panels;
    const panel = item % panels;
    const b = changetype<usize>(u.at(point * uPlane + panel * k * 8));
    let a = changetype<usize>(v.at(point * vPlane));
    let c = m.at(point * mPlane + panel * 32);
    for (let quad: usize = 0; quad < quads; quad++) {
      multiply4x8(c, a, b, k, 0);
      a += 16 * k;
      c = c.at(32 * panels);
    }
  }
}

/** C (+)= Σ_t A[t][4] · B[t][8]; see `multiply4x8`. Adds to C where `more` is not 0. */
export function accumulate4x8(c: F32, a: usize, b: usize, tiles: usize, more: i32): void {
  let c00 = f32x4.splat(0);
  let c01 = f32x4.splat(0);
  let c10 = f32x4.splat(0);
  let c11 = f32x4.splat(0);
  let c20 = f32x4.splat(0);
  let c21 = f32x4.splat(0);
  let c30 = f32x4.splat(0);
  let c31 = f32x4.splat(0);
  if (more) {
    c00 = c.lanes(0);
    c01 = c.lanes(4);
    c10 = c.lanes(8);
    c11 = c.lanes(12);
    c20 = c.lanes(16);
    c21 = c.lanes(20);
    c30 = c.lanes(24);
    c31 = c.lanes(28);
  }
  const end = b + 32 * tiles;
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    const a0 = v128.load_splat<f32>(a);
    c00 = madd(a0, b0, c00);
    c01 = madd(a0, b1, c01);
    const a1 = v128.load_splat<f32>(a, 4);
    c10 = madd(a1, b0, c10);
    c11 = madd(a1, b1, c11);
    const a2 = v128.load_splat<f32>(a, 8);
    c20 = madd(a2, b0, c20);
    c21 = madd(a2, b1, c21);
    const a3 = v128.load_splat<f32>(a, 12);
    c30 = madd(a3, b0, c30);
    c31 = madd(a3, b1, c31);
    a += 16;
    b += 32;
  }
  c.setLanes(0, c00);
  c.setLanes(4, c01);
  c.setLanes(8, c10);
  c.setLanes(12, c11);
  c.setLanes(16, c20);
  c.setLanes(20, c21);
  c.setLanes(24, c30);
  c.setLanes(28, c31);
}

/**
 * dU[point] (+)= V[point]ᵀ · D[point]: sums over the tiles of a chunk, in their order, on top of the chunks before it
 * where `more` is not 0. Items: points x panels of 8 columns, the panel fastest.
 * du: [point][panels][rows][8], v: [point][rows/4][room][4], d: [point][panels][room][8]
 * @param rows channels on V's side (those of all phases that are stacked); a multiple of 4
 * @param room tiles there is room for, `tiles` of them there
 */
export function accumulate(
  du: F32,
  v: F32,
  d: F32,
  rows: usize,
  panels: usize,
  room: usize,
  tiles: usize,
  duPlane: usize,
  vPlane: usize,
  dPlane: usize,
  more: i32,
  begin: usize,
  end: usize,
): void {
  for (let item = begin; item < end; item++) {
    const point = item / panels;
    const panel = item % panels;
    const b = changetype<usize>(d.at(point * dPlane + panel * room * 8));
    let a = changetype<usize>(v.at(point * vPlane));
    let c = du.at(point * duPlane + panel * rows * 8);
    for (let row: usize = 0; row < rows; row += 4) {
      accumulate4x8(c, a, b, tiles, more);
      a += 16 * room;
      c = c.at(32);
    }
  }
}
