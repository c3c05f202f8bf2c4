import { F32 } from './f32';

/** y = max(x, 0); y may alias x. y, x: f32[4·items]. Items: quads of elements. */
export function relu(y: F32, x: F32, begin: usize, end: usize): void {
  const zero = f32x4.splat(0);
  for (let i = begin * 4; i < end * 4; i += 4) y.setLanes(i, f32x4.max(x.lanes(i), zero));
}

/** Backward of ReLU, in place: dx ← y > 0 ? dx : 0, where y = max(x, 0). Items: quads of elements. */
export function reluBackward(dx: F32, y: F32, begin: usize, end: usize): void {
  const zero = f32x4.splat(0);
  for (let i = begin * 4; i < end * 4; i += 4) {
    dx.setLanes(i, v128.and(dx.lanes(i), f32x4.gt(y.lanes(i), zero)));
  }
}
