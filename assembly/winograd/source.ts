import { F32, madd } from '../f32';

/*
 * How a transform reads a vector, and the next four channels: a class stands for a way to do it where a type parameter `L` is
 * required. They have no state, and unused arguments cost nothing.
 */

/** x. */
@unmanaged
export class Direct {
  @inline
  read(x: F32, _scale: v128, _shift: v128): v128 {
    return x.lanes(0);
  }

  @inline
  readUpper(x: F32, _scale: v128, _shift: v128): v128 {
    return x.upperLanes(0);
  }

  @inline
  factor(_table: F32, _channel: usize): v128 {
    return f32x4.splat(0);
  }

  @inline
  upperFactor(_table: F32, _channel: usize): v128 {
    return f32x4.splat(0);
  }
}

/** x · scale + shift: a normalisation that is never materialised. */
@unmanaged
export class Affine {
  @inline
  read(x: F32, scale: v128, shift: v128): v128 {
    return madd(x.lanes(0), scale, shift);
  }

  @inline
  readUpper(x: F32, scale: v128, shift: v128): v128 {
    return madd(x.upperLanes(0), scale, shift);
  }

  /** The scales or shifts of four channels. */
  @inline
  factor(table: F32, channel: usize): v128 {
    return table.lanes(channel);
  }

  @inline
  upperFactor(table: F32, channel: usize): v128 {
    return table.upperLanes(channel);
  }
}
