import { F32 } from './f32';

/**
 * Adam (Kingma & Ba, 2015, algorithm 1), as in PyTorch: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²,
 * p ← p − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + eps). β₁ = 0.9, β₂ = 0.999, eps = 1e-8.
 * p, g, m, v: f32 [4·items]. rates: [lr/(1−β₁ᵗ), 1/√(1−β₂ᵗ)]. Items: quads of elements.
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
  for (let i = begin * 4; i < end * 4; i += 4) {
    const gradient = g.lanes(i);
    const first = f32x4.add(f32x4.mul(beta1, m.lanes(i)), f32x4.mul(rest1, gradient));
    const second = f32x4.add(
      f32x4.mul(beta2, v.lanes(i)),
      f32x4.mul(rest2, f32x4.mul(gradient, gradient)),
    );
    m.setLanes(i, first);
    v.setLanes(i, second);
    const scale = f32x4.add(f32x4.mul(f32x4.sqrt(second), inverse), eps);
    p.setLanes(i, f32x4.sub(p.lanes(i), f32x4.div(f32x4.mul(rate, first), scale)));
  }
}
