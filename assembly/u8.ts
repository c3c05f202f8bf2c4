/** Typed pointer to bytes; see F32. */
@unmanaged
export class U8 {
  @operator('[]')
  get(i: usize): u8 {
    return load<u8>(changetype<usize>(this) + i);
  }

  @operator('[]=')
  set(i: usize, value: u8): void {
    store<u8>(changetype<usize>(this) + i, value);
  }

  /** Bytes i to i + 15. */
  lanes(i: usize): v128 {
    return v128.load(changetype<usize>(this) + i);
  }

  setLanes(i: usize, value: v128): void {
    v128.store(changetype<usize>(this) + i, value);
  }

  at(i: usize): U8 {
    return changetype<U8>(changetype<usize>(this) + i);
  }
}
