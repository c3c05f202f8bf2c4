import { F32 } from './f32';

/**
 * The mean of the gradients of several batches, accumulated one by one: sum ← g·share, or sum + g·share where `more` is not 0.
 * The same bits in both builds. sum, g: f32 [4·items]. Items: quads of elements.
 */
export function addGradient(
  sum: F32,
  g: F32,
  share: f32,
  more: i32,
  begin: usize,
  end: usize,
): void {
  const factor = f32x4.splat(share);
  for (let i = begin * 4; i < end * 4; i += 4) {
    const part = f32x4.mul(g.lanes(i), factor);
    sum.setLanes(i, more ? f32x4.add(sum.lanes(i), part) : part);
  }
}
