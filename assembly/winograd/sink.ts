import { F32 } from '../f32';

/*
 * How an output transform writes a vector, or a pair of them: a class stands for a way to do it where a type parameter `S` is required.
 * They have no state, and unused arguments cost nothing.
 */

/** y ← value. */
@unmanaged
export class Plain {
  @inline
  put(y: F32, at: usize, value: v128, _floor: v128): void {
    y.setLanes(at, value);
  }

  @inline
  putPair(y: F32, at: usize, low: v128, high: v128, _floor: v128): void {
    y.setPair(at, low, high);
  }
}

/** y ← max(value, floor): ReLU with a floor of 0, nothing with −∞. NaN stays NaN. */
@unmanaged
export class Floor {
  @inline
  put(y: F32, at: usize, value: v128, floor: v128): void {
    y.setLanes(at, f32x4.pmax(value, floor));
  }

  @inline
  putPair(y: F32, at: usize, low: v128, high: v128, floor: v128): void {
    y.setPair(at, f32x4.pmax(low, floor), f32x4.pmax(high, floor));
  }
}

/** y ← max(y + value, floor). */
@unmanaged
export class AddFloor {
  @inline
  put(y: F32, at: usize, value: v128, floor: v128): void {
    y.setLanes(at, f32x4.pmax(f32x4.add(y.lanes(at), value), floor));
  }

  @inline
  putPair(y: F32, at: usize, low: v128, high: v128, floor: v128): void {
    low = f32x4.add(y.lanes(at), low);
    high = f32x4.add(y.upperLanes(at), high);
    y.setPair(at, f32x4.pmax(low, floor), f32x4.pmax(high, floor));
  }
}
