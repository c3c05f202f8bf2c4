import { F32 } from './f32';

/**
 * One step of an exponential moving average of weights: e ← e + rate·(p − e), rate = 1 − decay. The same bits in both builds.
 * e, p: f32 [8·items]. rate: f32 [1]. Items: eight elements each.
 */
export function ema(e: F32, p: F32, rate: F32, begin: usize, end: usize): void {
  if (begin >= end) return;
  const share = rate.splat(0);
  for (let i = begin * 8; i < end * 8; i += 8) {
    const e0 = e.lanes(i);
    const e1 = e.upperLanes(i);
    const to0 = f32x4.add(e0, f32x4.mul(share, f32x4.sub(p.lanes(i), e0)));
    const to1 = f32x4.add(e1, f32x4.mul(share, f32x4.sub(p.upperLanes(i), e1)));
    e.setPair(i, to0, to1);
  }
}
