/** Typed pointer to i32; see F32. */
@unmanaged
export class I32 {
  @operator('[]')
  get(i: usize): i32 {
    return load<i32>(changetype<usize>(this) + (i << 2));
  }

  @operator('[]=')
  set(i: usize, value: i32): void {
    store<i32>(changetype<usize>(this) + (i << 2), value);
  }
}
