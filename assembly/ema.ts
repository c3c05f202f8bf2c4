import { F32 } from './f32';

/**
 * One step of an exponential moving average of weights: e ← e + rate·(p − e), rate = 1 − decay. The same bits in both builds.
 * e, p: f32 [4·items]. rate: f32 [1]. Items: quads of elements.
 */
export function ema(e: F32, p: F32, rate: F32, begin: usize, end: usize): void {
  if (begin >= end) return;
  const share = rate.splat(0);
  for (let i = begin * 4; i < end * 4; i += 4) {
    const average = e.lanes(i);
    e.setLanes(i, f32x4.add(average, f32x4.mul(share, f32x4.sub(p.lanes(i), average))));
  }
}
