import { F32, madd } from '../f32';

/*
 * Products of small blocks with all of their sums in registers: the U-Net spends nearly all of its time here. Each sum is
 * taken in the order of k, whatever the block, so that blocks of four and of six rows give the same bits.
 *
 * A comes in groups of four rows; a class of layouts.ts gives their layout where a type parameter `R` is required.
 *
 * V8's code for the loops determines over a third of their speed (inspected with `node --print-wasm-code`):
 * - One k per loop body. With more, V8 moves all loads before the first multiply-add, and spills.
 * - A test before the loop and one at its end: V8 then keeps the addresses of A's rows, which are not part of the instructions of
 *   splats, in registers. Without the first test the loads are moved too.
 * - Pointers one step back, advanced before use: from the subtraction V8 knows that their upper halves are
 *   zero, and needs no second copy of each.
 * - One variable for all splats, so that twelve sums, two vectors of B and it fit the fifteen registers that V8 assigns: with the
 *   product of a separate multiplication (the strict build) they do not, and six rows are a third slower
 *   than four.
 */

/** Whether blocks of six rows pay: a tenth faster than four (measured), if multiply-add is one instruction. */
export const SIX_ROWS: bool = ASC_FEATURE_RELAXED_SIMD;

/** C (+)= A · B[k][8]; adds to C [4][8] where `more` is not 0. `jump`: see layouts.ts. */
export function multiply4x8<R>(c: F32, a: usize, b: usize, k: usize, jump: usize, more: i32): void {
  Rows.multiply<R>(false, c, c, a, a, b, k, jump, more);
}

/** The same for four rows from `a` to C, and two more from `q`, in the same layout, to D [2][8]. */
export function multiply6x8<R>(
  c: F32,
  d: F32,
  a: usize,
  q: usize,
  b: usize,
  k: usize,
  jump: usize,
  more: i32,
): void {
  Rows.multiply<R>(true, c, d, a, q, b, k, jump, more);
}

/** The block. A class only for its inlined method, for which `six` is a constant: if false, the last two rows are omitted. */
@unmanaged
class Rows {
  @inline
  static multiply<R>(
    six: bool,
    c: F32,
    d: F32,
    a: usize,
    q: usize,
    b: usize,
    k: usize,
    jump: usize,
    more: i32,
  ): void {
    let c00 = f32x4.splat(0);
    let c01 = f32x4.splat(0);
    let c10 = f32x4.splat(0);
    let c11 = f32x4.splat(0);
    let c20 = f32x4.splat(0);
    let c21 = f32x4.splat(0);
    let c30 = f32x4.splat(0);
    let c31 = f32x4.splat(0);
    let c40 = f32x4.splat(0);
    let c41 = f32x4.splat(0);
    let c50 = f32x4.splat(0);
    let c51 = f32x4.splat(0);
    if (more) {
      c00 = c.lanes(0);
      c01 = c.lanes(4);
      c10 = c.lanes(8);
      c11 = c.lanes(12);
      c20 = c.lanes(16);
      c21 = c.lanes(20);
      c30 = c.lanes(24);
      c31 = c.lanes(28);
      if (six) {
        c40 = d.lanes(0);
        c41 = d.lanes(4);
        c50 = d.lanes(8);
        c51 = d.lanes(12);
      }
    }
    const r = changetype<R>(0);
    const step = r.step;
    a -= step + jump;
    q -= step + jump;
    b -= 32;
    const end = b + 32 * k;
    if (b < end)
      do {
        a += step;
        q += step;
        if (r.last !== 0 && (a & r.last) === 0) {
          a += jump;
          q += jump;
        }
        b += 32;
        const b0 = v128.load(b);
        const b1 = v128.load(b, 16);
        let a0 = v128.load_splat<f32>(a);
        c00 = madd(a0, b0, c00);
        c01 = madd(a0, b1, c01);
        a0 = v128.load_splat<f32>(a, offsetof<R>());
        c10 = madd(a0, b0, c10);
        c11 = madd(a0, b1, c11);
        a0 = v128.load_splat<f32>(a, 2 * offsetof<R>());
        c20 = madd(a0, b0, c20);
        c21 = madd(a0, b1, c21);
        a0 = v128.load_splat<f32>(a, 3 * offsetof<R>());
        c30 = madd(a0, b0, c30);
        c31 = madd(a0, b1, c31);
        if (six) {
          a0 = v128.load_splat<f32>(q);
          c40 = madd(a0, b0, c40);
          c41 = madd(a0, b1, c41);
          a0 = v128.load_splat<f32>(q, offsetof<R>());
          c50 = madd(a0, b0, c50);
          c51 = madd(a0, b1, c51);
        }
      } while (b < end);
    c.setLanes(0, c00);
    c.setLanes(4, c01);
    c.setLanes(8, c10);
    c.setLanes(12, c11);
    c.setLanes(16, c20);
    c.setLanes(20, c21);
    c.setLanes(24, c30);
    c.setLanes(28, c31);
    if (six) {
      d.setLanes(0, c40);
      d.setLanes(4, c41);
      d.setLanes(8, c50);
      d.setLanes(12, c51);
    }
  }
}
