/**
 * Typed pointers to f32. They erase to an i32 address: no object, no bounds check, no allocation.
 * Indices count elements, so `p.lanes(8)` is the vector of elements 8 to 11, aligned or not.
 */
@unmanaged
export class F32 {
  @operator('[]')
  get(i: usize): f32 {
    return load<f32>(changetype<usize>(this) + (i << 2));
  }

  @operator('[]=')
  set(i: usize, value: f32): void {
    store<f32>(changetype<usize>(this) + (i << 2), value);
  }

  /** Elements i to i + 3. */
  lanes(i: usize): v128 {
    return v128.load(changetype<usize>(this) + (i << 2));
  }

  setLanes(i: usize, value: v128): void {
    v128.store(changetype<usize>(this) + (i << 2), value);
  }

  /** Element i in all four lanes. */
  splat(i: usize): v128 {
    return v128.load_splat<f32>(changetype<usize>(this) + (i << 2));
  }

  /** Elements i + 4 to i + 7: with `lanes(i)` a pair that V8 joins, as one address with two immediate offsets. */
  upperLanes(i: usize): v128 {
    return v128.load(changetype<usize>(this) + (i << 2), 16);
  }

  /** Sets elements i to i + 7: the upper four first, where V8's joining starts. */
  setPair(i: usize, low: v128, high: v128): void {
    const at = changetype<usize>(this) + (i << 2);
    v128.store(at, high, 16);
    v128.store(at, low);
  }

  /** The pointer to element i. */
  at(i: usize): F32 {
    return changetype<F32>(changetype<usize>(this) + (i << 2));
  }
}

/**
 * a · b + c in each lane: one rounding (fused) in the relaxed build, two in the strict one.
 * Only for the U-Net's arithmetic: noise, schedule and pixels must give the same bits in both builds. `toFloat` may use it, since it
 * does give them: its inputs are few enough to test all.
 */
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}
