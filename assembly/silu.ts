import { F32, madd } from './f32';

/*
 * SiLU (Elfwing et al., 2018): silu(z) = z·σ(z) = z/(1 + e⁻ᶻ), and its slope σ(z)·(1 + z·(1 − σ(z))).
 * e⁻ᶻ = 2ⁿ·e⁻ˢ with n the whole number next to −z/ln 2, and e⁻ˢ for |s| ≤ ln 2/2 is a polynomial of degree 6: a minimax fit to
 * 3.1e-9 of the value. Errors of silu(z) in units in the last place: 2 for z ≥ −5, as PyTorch's, and below that 2.5 in the strict
 * build and 5.5 in the relaxed one, whose operations are fused and give other last bits. Below −87 the result stays silu(−87) =
 * −1.4e-36: there 1/(1 + e⁻ᶻ) is still a normal number, which processors are fast with. NaN gives NaN.
 */

/**
 * 0, which no compiler can know: a memory has at most 2¹⁶ pages. V8 builds the vectors it knows anew at each use, by three
 * instructions; those that it does not know it loads by one.
 */
const NOTHING: f32 = <f32>(memory.size() >> 17);

const LOWEST: v128 = f32x4.splat(-87 + NOTHING);
const HIGHEST: v128 = f32x4.splat(87 + NOTHING);
const MINUS_LOG2E: v128 = f32x4.splat(<f32>-Math.LOG2E + NOTHING);
/** 1.5 · 2²³: a sum with it is rounded to a whole number, which is then in its low bits. */
const ROUND: v128 = f32x4.splat(12582912 + NOTHING);
const LN2: v128 = f32x4.splat(<f32>Math.LN2 + NOTHING);
/** ln 2 in two parts. The first has nine bits: its products with n are exact. */
const LN2_HIGH: v128 = f32x4.splat(0.693359375 + NOTHING);
const LN2_LOW: v128 = f32x4.splat(-0.00021219444005469 + NOTHING);
const C6: v128 = f32x4.splat(0.0013814569683745503 + NOTHING);
const C5: v128 = f32x4.splat(-0.00836873147636652 + NOTHING);
const C4: v128 = f32x4.splat(0.04166838899254799 + NOTHING);
const C3: v128 = f32x4.splat(-0.1666652113199234 + NOTHING);
const C2: v128 = f32x4.splat(0.4999999403953552 + NOTHING);
const MINUS_ONE: v128 = f32x4.splat(-1 + NOTHING);
const ONE: v128 = f32x4.splat(1 + NOTHING);

/** silu(z) in each lane. */
export function siluLanes(z: v128): v128 {
  const x = f32x4.pmax(z, LOWEST);
  return f32x4.div(x, onePlusExp(x));
}

/** d · silu'(z) in each lane. */
export function siluSlopeLanes(d: v128, z: v128): v128 {
  const x = f32x4.pmax(z, LOWEST);
  const sigmoid = f32x4.div(ONE, onePlusExp(x));
  return f32x4.mul(f32x4.mul(d, sigmoid), madd(x, f32x4.sub(ONE, sigmoid), ONE));
}

/** 1 + e⁻ˣ for x ≥ −87. */
function onePlusExp(x: v128): v128 {
  const z = f32x4.pmin(x, HIGHEST);
  const shifted = madd(z, MINUS_LOG2E, ROUND);
  const n = f32x4.sub(shifted, ROUND);
  const s = reduced(z, n);
  let p = madd(C6, s, C5);
  p = madd(p, s, C4);
  p = madd(p, s, C3);
  p = madd(p, s, C2);
  p = madd(p, s, MINUS_ONE);
  p = madd(p, s, ONE);
  // Adds n to the exponent.
  return f32x4.add(i32x4.add(p, i32x4.shl(shifted, 23)), ONE);
}

/** z + n · ln 2, which is small. Where the product is not rounded, ln 2 as f32 is near enough: it is off by 1.9e-9. */
function reduced(z: v128, n: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return madd(n, LN2, z);
  return madd(n, LN2_LOW, madd(n, LN2_HIGH, z));
}

/** y = silu(x); y may be x. y, x: f32[4·items]. Items: quads of elements. */
export function silu(y: F32, x: F32, begin: usize, end: usize): void {
  let from = changetype<usize>(x.at(4 * begin));
  let to = changetype<usize>(y.at(4 * begin));
  const last = changetype<usize>(x.at(4 * end));
  for (; from + 32 <= last; from += 32, to += 32) {
    const low = v128.load(from);
    const high = v128.load(from, 16);
    v128.store(to, siluLanes(high), 16);
    v128.store(to, siluLanes(low));
  }
  if (from < last) v128.store(to, siluLanes(v128.load(from)));
}

/** Backward of SiLU, in place: dx ← dx · silu'(x). dx, x: f32[4·items]. Items: quads of elements. */
export function siluBackward(dx: F32, x: F32, begin: usize, end: usize): void {
  let from = changetype<usize>(x.at(4 * begin));
  let to = changetype<usize>(dx.at(4 * begin));
  const last = changetype<usize>(x.at(4 * end));
  for (; from < last; from += 16, to += 16) {
    v128.store(to, siluSlopeLanes(v128.load(to), v128.load(from)));
  }
}
