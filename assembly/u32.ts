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

  /** Sets those of the elements i to i + 3 that lie in [begin, end). */
  setLanesWithin(i: usize, value: v128, begin: usize, end: usize): void {
    if (i >= begin && i + 4 <= end) {
      this.setLanes(i, value);
      return;
    }
    if (i >= begin && i < end) this[i] = i32x4.extract_lane(value, 0);
    if (i + 1 >= begin && i + 1 < end) this[i + 1] = i32x4.extract_lane(value, 1);
    if (i + 2 >= begin && i + 2 < end) this[i + 2] = i32x4.extract_lane(value, 2);
    if (i + 3 >= begin && i + 3 < end) this[i + 3] = i32x4.extract_lane(value, 3);
  }

  at(i: usize): U32 {
    return changetype<U32>(changetype<usize>(this) + (i << 2));
  }
}
