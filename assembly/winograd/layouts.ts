/*
 * How the rows of A are laid out for the products of micro-kernels.ts and wide.ts: a class stands for a layout where a type parameter `R`
 * is required. A layout's size, `offsetof<R>()`, is the bytes from one row to the next in its group of four: a constant, since the offsets of
 * loads must be constant. `step` is the distance from one k to the next.
 * If `last` is not 0, only as many k are contiguous as `last` has room for; after them A continues `jump` bytes later: addresses of k that
 * are multiples of `last` + 4 begin a group. `quad` is the start of a group of four rows, `apart` bytes from one (or from a pair of
 * them, if they are stored in pairs) to the next.
 */

/** [rows/4][k/4][4 rows][4 k]: rows as packed by attention and dense layers. */
@unmanaged
export class Fours {
  a: f64;
  b: f64;

  get step(): usize {
    return 4;
  }
  get last(): usize {
    return 12;
  }

  @inline
  quad(a: usize, number: usize, apart: usize): usize {
    return a + number * apart;
  }
}

/** [rows/4][k/8][4 rows][8 k]: V with rows of tiles, whose eight channels are contiguous. */
@unmanaged
export class Eights {
  a: f64;
  b: f64;
  c: f64;
  d: f64;

  get step(): usize {
    return 4;
  }
  get last(): usize {
    return 28;
  }

  @inline
  quad(a: usize, number: usize, apart: usize): usize {
    return a + number * apart;
  }
}

/** [rows/8][k][8 rows]: V with rows of channels; the weights of attention. */
@unmanaged
export class RowsByEight {
  a: f32;

  get step(): usize {
    return 32;
  }
  get last(): usize {
    return 0;
  }

  @inline
  quad(a: usize, number: usize, apart: usize): usize {
    return a + (number >> 1) * apart + ((number & 1) << 4);
  }
}
