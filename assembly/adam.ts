import { F32 } from './f32';

/**
 * Adam (Kingma & Ba, 2015, algorithm 1), as in PyTorch: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²,
 * p ← p − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + eps). β₁ = 0.9, β₂ = 0.999, eps = 1e-8.
 * p, g, m, v: f32 [8·items]. rates: [lr/(1−β₁ᵗ), 1/√(1−β₂ᵗ)]. Items: eight elements each.
 */
export function adam(p: F32, g: F32, m: F32, v: F32, rates: F32, begin: usize, end: usize): void {
  const rate = rates.splat(0);
  const inverse = rates.splat(1);
  // Not 1 − β: that would be a difference of f32 values, which for 0.999 is off by 1.3e-5.
  const beta1 = f32x4.splat(0.9),
    rest1 = f32x4.splat(0.1);
  const beta2 = f32x4.splat(0.999),
    rest2 = f32x4.splat(0.001);
  const eps = f32x4.splat(1e-8);
  for (let i = begin * 8; i < end * 8; i += 8) {
    const g0 = g.lanes(i);
    const g1 = g.upperLanes(i);
    const m0 = f32x4.add(f32x4.mul(beta1, m.lanes(i)), f32x4.mul(rest1, g0));
    const m1 = f32x4.add(f32x4.mul(beta1, m.upperLanes(i)), f32x4.mul(rest1, g1));
    const v0 = f32x4.add(f32x4.mul(beta2, v.lanes(i)), f32x4.mul(rest2, f32x4.mul(g0, g0)));
    const v1 = f32x4.add(f32x4.mul(beta2, v.upperLanes(i)), f32x4.mul(rest2, f32x4.mul(g1, g1)));
    m.setPair(i, m0, m1);
    v.setPair(i, v0, v1);
    const s0 = f32x4.div(f32x4.mul(rate, m0), f32x4.add(f32x4.mul(f32x4.sqrt(v0), inverse), eps));
    const s1 = f32x4.div(f32x4.mul(rate, m1), f32x4.add(f32x4.mul(f32x4.sqrt(v1), inverse), eps));
    const p0 = f32x4.sub(p.lanes(i), s0);
    const p1 = f32x4.sub(p.upperLanes(i), s1);
    p.setPair(i, p0, p1);
  }
}
