/*
 * How the rows of A lie for the products of micro-kernels.ts and wide.ts: a class stands for a layout where a type parameter `R` is
 * asked for. A layout's size, `offsetof<R>()`, is the bytes from a row to the next of its group of four: a constant, as the offsets of
 * loads have to be. `step` is those from a k to the next.
 * Where `last` is not 0, as many k lie together as `last` has room for; behind them A goes on `jump` bytes later: addresses of k that
 * are multiples of `last` + 4 begin a group. `quad` is where a group of four rows begins, `apart` bytes from one (or from a pair of
 * them, where they lie in pairs) to the next.
 */

/** [rows/4][k/4][4 rows][4 k]: rows as attention and dense layers bring them in. */
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

/** [rows/4][k/8][4 rows][8 k]: V and its rows of tiles, whose eight channels lie together. */
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

/** [rows/4][k][4 rows]: the weights of attention. */
@unmanaged
export class RowsByFour {
  a: f32;

  get step(): usize {
    return 16;
  }
  get last(): usize {
    return 0;
  }

  @inline
  quad(a: usize, number: usize, apart: usize): usize {
    return a + number * apart;
  }
}

/** [rows/8][k][8 rows]: V and its rows of channels. */
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
