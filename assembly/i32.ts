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

  /** Elements i to i + 3. */
  lanes(i: usize): v128 {
    return v128.load(changetype<usize>(this) + (i << 2));
  }
}
