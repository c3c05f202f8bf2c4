import { F32, madd } from './f32';
import {
  C2,
  C3,
  C4,
  C5,
  C6,
  HIGHEST,
  LN2_HIGH,
  LN2_LOW,
  LOWEST,
  MINUS_LOG2E,
  MINUS_ONE,
  ONE,
  ROUND,
  Silu,
} from './silu';

/*
 * GELU (Hendrycks & Gimpel, 2016) in its approximation by tanh, written with the logistic function, since
 * (1 + tanh(u))/2 = σ(2u): gelu(x) = x·σ(z) with z = 2·√(2/π)·(x + 0.044715·x³), and its slope
 * σ(z) + x·σ(z)·(1 − σ(z))·z' with z' = 2·√(2/π)·(1 + 3·0.044715·x²).
 */

const FACTOR: f32 = 1.5957691216057308;
const CUBIC: f32 = 0.071354816272;
/** Beyond it z is outside [LOWEST, HIGHEST], and x³ stays finite. */
const LARGEST: f32 = 16;

/** y = gelu(x); y may alias x. y, x: f32[4·items]. Items: quads of elements. */
export function gelu(y: F32, x: F32, begin: usize, end: usize): void {
  const factor = f32x4.splat(FACTOR);
  const cubic = f32x4.splat(CUBIC);
  const largest = f32x4.splat(LARGEST);
  const smallest = f32x4.splat(-LARGEST);
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
    const value = v128.load(from);
    const within = f32x4.pmin(f32x4.pmax(value, smallest), largest);
    const slope = madd(f32x4.mul(within, within), cubic, factor);
    const z = f32x4.pmax(f32x4.mul(within, slope), lowest);
    const divisor = Silu.onePlusExp(
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
    );
    v128.store(to, f32x4.div(value, divisor));
  }
}

/** Backward of GELU, in place: dx ← dx · gelu'(x). dx, x: f32[4·items]. Items: quads of elements. */
export function geluBackward(dx: F32, x: F32, begin: usize, end: usize): void {
  const factor = f32x4.splat(FACTOR);
  const cubic = f32x4.splat(CUBIC);
  const largest = f32x4.splat(LARGEST);
  const smallest = f32x4.splat(-LARGEST);
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
    const within = f32x4.pmin(f32x4.pmax(v128.load(from), smallest), largest);
    const square = f32x4.mul(f32x4.mul(within, within), cubic);
    const slope = f32x4.add(square, factor);
    const z = f32x4.pmax(f32x4.mul(within, slope), lowest);
    const divisor = Silu.onePlusExp(
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
    );
    const sigmoid = f32x4.div(one, divisor);
    // z' = slope + 2·square.
    const rate = f32x4.add(slope, f32x4.add(square, square));
    const rest = f32x4.mul(f32x4.mul(within, rate), f32x4.sub(one, sigmoid));
    const total = f32x4.mul(sigmoid, f32x4.add(one, rest));
    v128.store(to, f32x4.mul(v128.load(to), total));
  }
}
