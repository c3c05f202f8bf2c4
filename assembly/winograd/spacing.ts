/*
 * How far the planes of points are apart, in floats: a class stands for it where a type parameter `D` is asked for. Known to
 * the compiler, it becomes part of each instruction's address; a transform takes a sixth less time then.
 */

/** As the tiling says. */
@unmanaged
export class Wide {
  @inline
  plane(stated: usize): usize {
    return stated;
  }
}

/** Behind one another: points of four tiles of four channels (V of a block). */
@unmanaged
export class Near16 {
  @inline
  plane(_stated: usize): usize {
    return 16;
  }
}

/** Behind one another: points of four tiles of eight channels (M of a block). */
@unmanaged
export class Near32 {
  @inline
  plane(_stated: usize): usize {
    return 32;
  }
}
