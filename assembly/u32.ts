/** Typed pointer to u32; see F32. */
@unmanaged
export class U32 {
  @operator('[]')
  get(i: usize): u32 {
    return load<u32>(changetype<usize>(this) + (i << 2));
  }

  @operator('[]=')
  set(i: usize, value: u32): void {
    store<u32>(changetype<usize>(this) + (i << 2), value);
  }

  lanes(i: usize): v128 {
    return v128.load(changetype<usize>(this) + (i << 2));
  }

  setLanes(i: usize, value: v128): void {
    v128.store(changetype<usize>(this) + (i << 2), value);
  }

  at(i: usize): U32 {
    return changetype<U32>(changetype<usize>(this) + (i << 2));
  }
}
