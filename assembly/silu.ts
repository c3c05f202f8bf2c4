import { F32, madd } from './f32';

/*
 * SiLU (Elfwing et al., 2018): silu(z) = z·σ(z) = z/(1 + e⁻ᶻ), and its slope σ(z)·(1 + z·(1 − σ(z))).
 * e⁻ᶻ = 2ⁿ·e⁻ˢ with n the nearest whole number to −z/ln 2, and e⁻ˢ for |s| ≤ ln 2/2 is a polynomial of degree 6: a minimax fit to
 * 3.1e-9 of the value. Errors of silu(z) in ulp: 2 for z ≥ −5, like PyTorch's, and below that 2.5 in the strict
 * build and 5.5 in the relaxed one, whose fused operations round differently. Below −87 the result stays silu(−87) =
 * −1.4e-36: there 1/(1 + e⁻ᶻ) is still a normal number, which processors handle fast. NaN gives NaN.
 */

/**
 * 0, but unknown to compilers: a memory has at most 2¹⁶ pages. V8 rebuilds constant vectors at each use, with three
 * instructions; vectors that it does not know to be constant stay in registers, if a loop has them in local variables.
 */
const NOTHING: f32 = <f32>(memory.size() >> 17);

/*
 * The constants of the methods below. Loops splat them before they start: V8 joins splats to 256-bit vectors, but not 128-bit
 * globals.
 */
export const LOWEST: f32 = -87 + NOTHING;
export const HIGHEST: f32 = 87 + NOTHING;
export const MINUS_LOG2E: f32 = <f32>-Math.LOG2E + NOTHING;
/** 1.5 · 2²³: adding it rounds to a whole number, which is then in the low bits of the sum. */
export const ROUND: f32 = 12582912 + NOTHING;
/**
 * ln 2. If products are rounded it has two parts, the first of nine bits, whose products with n are exact; if they are
 * not, ln 2 as f32 is precise enough: it is off by 1.9e-9.
 */
export const LN2_HIGH: f32 = (ASC_FEATURE_RELAXED_SIMD ? <f32>Math.LN2 : 0.693359375) + NOTHING;
export const LN2_LOW: f32 = -0.00021219444005469 + NOTHING;
export const C6: f32 = 0.0013814569683745503 + NOTHING;
export const C5: f32 = -0.00836873147636652 + NOTHING;
export const C4: f32 = 0.04166838899254799 + NOTHING;
export const C3: f32 = -0.1666652113199234 + NOTHING;
export const C2: f32 = 0.4999999403953552 + NOTHING;
export const MINUS_ONE: f32 = -1 + NOTHING;
export const ONE: f32 = 1 + NOTHING;

/** A class only for its inlined methods, so that loops keep the constants in registers. */
@unmanaged
export class Silu {
  /** silu(x) in each lane, for x of LOWEST or more. */
  @inline
  static value(
    x: v128,
    highest: v128,
    minusLog2e: v128,
    round: v128,
    ln2High: v128,
    ln2Low: v128,
    c6: v128,
    c5: v128,
    c4: v128,
    c3: v128,
    c2: v128,
    minusOne: v128,
    one: v128,
  ): v128 {
    return f32x4.div(
      x,
      Silu.onePlusExp(
        x,
        highest,
        minusLog2e,
        round,
        ln2High,
        ln2Low,
        c6,
        c5,
        c4,
        c3,
        c2,
        minusOne,
        one,
      ),
    );
  }

  /** d · silu'(x) in each lane, for the same x. */
  @inline
  static slope(
    d: v128,
    x: v128,
    highest: v128,
    minusLog2e: v128,
    round: v128,
    ln2High: v128,
    ln2Low: v128,
    c6: v128,
    c5: v128,
    c4: v128,
    c3: v128,
    c2: v128,
    minusOne: v128,
    one: v128,
  ): v128 {
    const sigmoid = f32x4.div(
      one,
      Silu.onePlusExp(
        x,
        highest,
        minusLog2e,
        round,
        ln2High,
        ln2Low,
        c6,
        c5,
        c4,
        c3,
        c2,
        minusOne,
        one,
      ),
    );
    return f32x4.mul(f32x4.mul(d, sigmoid), madd(x, f32x4.sub(one, sigmoid), one));
  }

  /** 1 + e⁻ˣ, for the same x. */
  @inline
  static onePlusExp(
    x: v128,
    highest: v128,
    minusLog2e: v128,
    round: v128,
    ln2High: v128,
    ln2Low: v128,
    c6: v128,
    c5: v128,
    c4: v128,
    c3: v128,
    c2: v128,
    minusOne: v128,
    one: v128,
  ): v128 {
    const z = f32x4.pmin(x, highest);
    const shifted = madd(z, minusLog2e, round);
    const n = f32x4.sub(shifted, round);
    let s = madd(n, ln2High, z);
    if (!ASC_FEATURE_RELAXED_SIMD) s = madd(n, ln2Low, s);
    let p = madd(c6, s, c5);
    p = madd(p, s, c4);
    p = madd(p, s, c3);
    p = madd(p, s, c2);
    p = madd(p, s, minusOne);
    p = madd(p, s, one);
    // Adds n to the exponent.
    return f32x4.add(i32x4.add(p, i32x4.shl(shifted, 23)), one);
  }
}

/** y = silu(x); y may alias x. y, x: f32[4·items]. Items: quads of elements. */
export function silu(y: F32, x: F32, begin: usize, end: usize): void {
  const lowest = f32x4.splat(LOWEST);
  const highest = f32x4.splat(HIGHEST);
  const minusLog2e = f32x4.splat(MINUS_LOG2E);
  const round = f32x4.splat(ROUND);
  const ln2High = f32x4.splat(LN2_HIGH);
  const ln2Low = f32x4.splat(LN2_LOW);
  const c6 = f32x4.splat(C6);
  const c5 = f32x4.splat(C5);
  const c4 = f32x4.splat(C4);
  const c3 = f32x4.splat(C3);
  const c2 = f32x4.splat(C2);
  const minusOne = f32x4.splat(MINUS_ONE);
  const one = f32x4.splat(ONE);
  let from = changetype<usize>(x.at(4 * begin));
  let to = changetype<usize>(y.at(4 * begin));
  const last = changetype<usize>(x.at(4 * end));
  for (; from < last; from += 16, to += 16) {
    const z = f32x4.pmax(v128.load(from), lowest);
    v128.store(
      to,
      Silu.value(z, highest, minusLog2e, round, ln2High, ln2Low, c6, c5, c4, c3, c2, minusOne, one),
    );
  }
}

/** Backward of SiLU, in place: dx ← dx · silu'(x). dx, x: f32[4·items]. Items: quads of elements. */
export function siluBackward(dx: F32, x: F32, begin: usize, end: usize): void {
  const lowest = f32x4.splat(LOWEST);
  const highest = f32x4.splat(HIGHEST);
  const minusLog2e = f32x4.splat(MINUS_LOG2E);
  const round = f32x4.splat(ROUND);
  const ln2High = f32x4.splat(LN2_HIGH);
  const ln2Low = f32x4.splat(LN2_LOW);
  const c6 = f32x4.splat(C6);
  const c5 = f32x4.splat(C5);
  const c4 = f32x4.splat(C4);
  const c3 = f32x4.splat(C3);
  const c2 = f32x4.splat(C2);
  const minusOne = f32x4.splat(MINUS_ONE);
  const one = f32x4.splat(ONE);
  let from = changetype<usize>(x.at(4 * begin));
  let to = changetype<usize>(dx.at(4 * begin));
  const last = changetype<usize>(x.at(4 * end));
  for (; from < last; from += 16, to += 16) {
    const z = f32x4.pmax(v128.load(from), lowest);
    v128.store(
      to,
      Silu.slope(
        v128.load(to),
        z,
        highest,
        minusLog2e,
        round,
        ln2High,
        ln2Low,
        c6,
        c5,
        c4,
        c3,
        c2,
        minusOne,
        one,
      ),
    );
  }
}
