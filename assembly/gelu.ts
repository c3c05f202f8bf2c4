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

/** A class only for its inlined methods, so that loops keep the constants in registers, as those of `Silu`. */
@unmanaged
class Gelu {
  /** x in [−16, 16]. */
  @inline
  static within(x: v128, smallest: v128, largest: v128): v128 {
    return f32x4.pmin(f32x4.pmax(x, smallest), largest);
  }

  /** 1 + e⁻ᶻ with z = x·slope. */
  @inline
  static divisor(
    x: v128,
    slope: v128,
    lowest: v128,
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
    return Silu.onePlusExp(
      f32x4.pmax(f32x4.mul(x, slope), lowest),
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
  }

  /** d · gelu'(x) in each lane, where 1 + e⁻ᶻ is `divisor`, `square` the cubic part of z/x, and `slope` all of it. */
  @inline
  static times(d: v128, x: v128, divisor: v128, slope: v128, square: v128, one: v128): v128 {
    const sigmoid = f32x4.div(one, divisor);
    // z' = slope + 2·square.
    const rate = f32x4.add(slope, f32x4.add(square, square));
    const rest = f32x4.mul(f32x4.mul(x, rate), f32x4.sub(one, sigmoid));
    return f32x4.mul(d, f32x4.mul(sigmoid, f32x4.add(one, rest)));
  }
}

/** y = gelu(x); y may alias x. y, x: f32[8·items]. Items: eights of elements, two vectors that V8 joins. */
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
  let from = x.at(8 * begin);
  let to = y.at(8 * begin);
  for (let item = begin; item < end; item++) {
    const low = from.lanes(0);
    const high = from.upperLanes(0);
    const a = Gelu.within(low, smallest, largest);
    const b = Gelu.within(high, smallest, largest);
    const slopeA = madd(f32x4.mul(a, a), cubic, factor);
    const slopeB = madd(f32x4.mul(b, b), cubic, factor);
    const divisorA = Gelu.divisor(
      a,
      slopeA,
      lowest,
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
    const divisorB = Gelu.divisor(
      b,
      slopeB,
      lowest,
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
    to.setPair(0, f32x4.div(low, divisorA), f32x4.div(high, divisorB));
    from = from.at(8);
    to = to.at(8);
  }
}

/** Backward of GELU, in place: dx ← dx · gelu'(x). dx, x: f32[8·items]. Items: eights of elements. */
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
  let from = x.at(8 * begin);
  let to = dx.at(8 * begin);
  for (let item = begin; item < end; item++) {
    const a = Gelu.within(from.lanes(0), smallest, largest);
    const b = Gelu.within(from.upperLanes(0), smallest, largest);
    const squareA = f32x4.mul(f32x4.mul(a, a), cubic);
    const squareB = f32x4.mul(f32x4.mul(b, b), cubic);
    const slopeA = f32x4.add(squareA, factor);
    const slopeB = f32x4.add(squareB, factor);
    const divisorA = Gelu.divisor(
      a,
      slopeA,
      lowest,
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
    const divisorB = Gelu.divisor(
      b,
      slopeB,
      lowest,
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
    const low = Gelu.times(to.lanes(0), a, divisorA, slopeA, squareA, one);
    const high = Gelu.times(to.upperLanes(0), b, divisorB, slopeB, squareB, one);
    to.setPair(0, low, high);
    from = from.at(8);
    to = to.at(8);
  }
}
