/** Typed pointer to f64, for sums that need its precision; see F32. */
@unmanaged
export class F64 {
  @operator('[]')
  get(i: usize): f64 {
    return load<f64>(changetype<usize>(this) + (i << 3));
  }

  @operator('[]=')
  set(i: usize, value: f64): void {
    store<f64>(changetype<usize>(this) + (i << 3), value);
  }
}
