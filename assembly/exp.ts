import { F32, madd } from './f32';

/*
 * Powers of two: the exponentials of a softmax whose scores are in units of log 2. With n the nearest whole number to y,
 * 2ʸ⁻ⁿ is a polynomial of degree 6, a minimax fit to 2.6e-9 of the value, and n is added to the exponent.
 */

/**
 * 0, but unknown to compilers: a memory has at most 2¹⁶ pages. V8 rebuilds constant vectors at each use, with three
 * instructions (Node 24); vectors that it does not know to be constant stay in registers, if a loop has them in local variables.
 */
const NOTHING: f32 = <f32>(memory.size() >> 17);

/*
 * The constants of `Exp2.power`. Loops splat them before they start: V8 joins splats to 256-bit vectors, but not 128-bit globals.
 */

/** 1.5 · 2²³: adding it rounds to a whole number, which is then in the low bits of the sum. */
export const ROUND: f32 = 12582912 + NOTHING;
export const C6: f32 = 0.00015595080913044512 + NOTHING;
export const C5: f32 = 0.0013406797079369426 + NOTHING;
export const C4: f32 = 0.009617690928280354 + NOTHING;
export const C3: f32 = 0.05550310015678406 + NOTHING;
export const C2: f32 = 0.24022652208805084 + NOTHING;
export const C1: f32 = 0.6931472420692444 + NOTHING;
export const C0: f32 = 1 + NOTHING;
/** The smallest y that `power` accepts. */
export const LOWEST: f32 = -126 + NOTHING;

/** A class only for its inlined method, so that loops keep the constants in registers. */
@unmanaged
export class Exp2 {
  /**
   * 2ʸ in each lane for −126 <= y < 127.5, within 1.5 ulp of the exact value, exactly 1 for 0. A NaN
   * from arithmetic, without payload, gives NaN. The constants are those above, as splats.
   */
  @inline
  static power(
    y: v128,
    round: v128,
    c6: v128,
    c5: v128,
    c4: v128,
    c3: v128,
    c2: v128,
    c1: v128,
    c0: v128,
  ): v128 {
    const shifted = f32x4.add(y, round);
    const f = f32x4.sub(y, f32x4.sub(shifted, round));
    let p = madd(f, c6, c5);
    p = madd(f, p, c4);
    p = madd(f, p, c3);
    p = madd(f, p, c2);
    p = madd(f, p, c1);
    p = madd(f, p, c0);
    return i32x4.add(p, i32x4.shl(shifted, 23));
  }
}

/**
 * out = 2ˣ of each element, or 2⁻¹²⁶ if that is larger: for testing `Exp2.power` alone.
 * out, x: f32[4·items]; out may alias x. Items: quads of elements.
 */
export function powersOfTwo(out: F32, x: F32, begin: usize, end: usize): void {
  const lowest = f32x4.splat(LOWEST);
  const round = f32x4.splat(ROUND);
  const c6 = f32x4.splat(C6);
  const c5 = f32x4.splat(C5);
  const c4 = f32x4.splat(C4);
  const c3 = f32x4.splat(C3);
  const c2 = f32x4.splat(C2);
  const c1 = f32x4.splat(C1);
  const c0 = f32x4.splat(C0);
  for (let i = begin * 4; i < end * 4; i += 4) {
    const y = f32x4.pmax(x.lanes(i), lowest);
    out.setLanes(i, Exp2.power(y, round, c6, c5, c4, c3, c2, c1, c0));
  }
}
