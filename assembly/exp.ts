import { F32, madd } from './f32';

/*
 * Exponentials of four lanes. The integer part of the exponent goes into the bits of the result, and a minimax polynomial of
 * degree 6 gives the rest (its own relative error is below 2⁻²⁸). They use `madd`, so the builds may differ by one unit in
 * the last place: only the U-Net's arithmetic may use them.
 */

/** 1.5 · 2²³. A sum with it is rounded to an integer, which its low bits hold in two's complement. */
const ROUND: f32 = 12582912;

/** ln 2 in two parts. The first has nine bits, so its products with the integers used here are exact. */
const LN2_HIGH: f32 = 0.693359375;
const LN2_LOW: f32 = -2.1219444e-4;
const LOG2_E: f32 = <f32>Math.LOG2E;

/**
 * out = the function of each element: `exp`, `expNormal` (kind 1) or `exp2` (kind 2). The U-Net's kernels have them inlined;
 * this is how they are tried out alone. out, x: f32[4·items]; out may be x. Items: quads of elements.
 */
export function exponentials(out: F32, x: F32, kind: i32, begin: usize, end: usize): void {
  for (let i = begin * 4; i < end * 4; i += 4) {
    const lanes = x.lanes(i);
    out.setLanes(i, kind === 0 ? exp(lanes) : kind === 1 ? expNormal(lanes) : exp2(lanes));
  }
}

/**
 * eˣ for every x, within 1 ulp of the exact value, and within one step of the denormal numbers where it is one. ∞ from
 * 88.73 on, 0 below −103.98; NaN gives NaN.
 */
export function exp(x: v128): v128 {
  const inside = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-105)), f32x4.splat(89));
  const t = madd(inside, f32x4.splat(LOG2_E), f32x4.splat(ROUND));
  // 2ⁿ is not a normal number for each n here. The two halves are: only the last product rounds.
  const n = i32x4.sub(t, f32x4.splat(ROUND));
  const half = i32x4.shr_s(n, 1);
  const scaled = f32x4.mul(fraction(inside, t), powerOfTwo(half));
  return f32x4.mul(scaled, powerOfTwo(i32x4.sub(n, half)));
}

/**
 * The same where eˣ is a normal number below 2¹²⁷, with two thirds of the operations: same bits for −87 ≤ x ≤ 88. Below, the
 * result is e⁻⁸⁷ and above, e⁸⁸; NaN gives NaN.
 */
export function expNormal(x: v128): v128 {
  const inside = f32x4.pmin(f32x4.pmax(x, f32x4.splat(-87)), f32x4.splat(88));
  const t = madd(inside, f32x4.splat(LOG2_E), f32x4.splat(ROUND));
  return i32x4.add(fraction(inside, t), i32x4.shl(t, 23));
}

/** 2ⁿ for integers −127 < n < 128. */
function powerOfTwo(n: v128): v128 {
  return i32x4.shl(i32x4.add(n, i32x4.splat(127)), 23);
}

/** eʳ of the rest r = x − n·ln 2, |r| ≤ ½ ln 2, where t = ROUND + n. */
function fraction(x: v128, t: v128): v128 {
  const n = f32x4.sub(t, f32x4.splat(ROUND));
  const high = f32x4.sub(x, f32x4.mul(n, f32x4.splat(LN2_HIGH)));
  const r = madd(n, f32x4.splat(-LN2_LOW), high);
  let p = madd(r, f32x4.splat(0.0013814467238262296), f32x4.splat(0.008368780836462975));
  p = madd(r, p, f32x4.splat(0.04166839271783829));
  p = madd(r, p, f32x4.splat(0.1666651964187622));
  p = madd(r, p, f32x4.splat(0.4999999403953552));
  p = madd(f32x4.mul(r, r), p, r);
  return f32x4.add(p, f32x4.splat(1));
}

/**
 * 2ʸ for y ≤ 127, within 1.5 ulp, where softmax needs it: what it gives for y < −126 is 2⁻¹²⁶, not 0. With log₂ e in the
 * factor of the scores, it takes the place of an exponential at three quarters of the operations.
 */
export function exp2(y: v128): v128 {
  const inside = f32x4.pmax(y, f32x4.splat(-126));
  const t = f32x4.add(inside, f32x4.splat(ROUND));
  const f = f32x4.sub(inside, f32x4.sub(t, f32x4.splat(ROUND)));
  let p = madd(f, f32x4.splat(0.00015595080913044512), f32x4.splat(0.0013406797079369426));
  p = madd(f, p, f32x4.splat(0.009617690928280354));
  p = madd(f, p, f32x4.splat(0.05550310015678406));
  p = madd(f, p, f32x4.splat(0.24022652208805084));
  p = madd(f, p, f32x4.splat(0.6931472420692444));
  p = madd(f, p, f32x4.splat(1));
  return i32x4.add(p, i32x4.shl(t, 23));
}
