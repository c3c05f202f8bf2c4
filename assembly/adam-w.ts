import { F32 } from './f32';

/**
 * AdamW (Loshchilov & Hutter, 2019, algorithm 2), as in torch.optim.AdamW: with g' = clip·g,
 * m ← β₁m + (1−β₁)g', v ← β₂v + (1−β₂)g'², p ← p·(1 − lr·decay) − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + eps).
 * p, g, m, v: f32 [4·items]. rates: f32 [lr/(1−β₁ᵗ), 1/√(1−β₂ᵗ), lr·decay]. clip: one factor f32 (see `gradientClip`), or null.
 * Items: quads of elements.
 */
export function adamW(
  p: F32,
  g: F32,
  m: F32,
  v: F32,
  rates: F32,
  beta1: f64,
  beta2: f64,
  epsilon: f64,
  clip: F32,
  begin: usize,
  end: usize,
): void {
  if (begin >= end) return;
  const rate = rates.splat(0);
  const inverse = rates.splat(1);
  const keep = f32x4.splat(1 - rates[2]);
  const factor = changetype<usize>(clip) === 0 ? f32x4.splat(1) : clip.splat(0);
  const first1 = f32x4.splat(<f32>beta1);
  const first2 = f32x4.splat(<f32>beta2);
  // 1 − β is passed rounded once: a difference of f32 values would be off by 1.3e-5 for 0.999.
  const rest1 = f32x4.splat(<f32>(1 - beta1));
  const rest2 = f32x4.splat(<f32>(1 - beta2));
  const eps = f32x4.splat(<f32>epsilon);
  let i = begin * 4;
  // The test is at the end: V8 hoists out of a loop only what is computed before every exit, here everything above.
  do {
    const gradient = f32x4.mul(g.lanes(i), factor);
    const mean = f32x4.add(f32x4.mul(first1, m.lanes(i)), f32x4.mul(rest1, gradient));
    const square = f32x4.mul(rest2, f32x4.mul(gradient, gradient));
    const second = f32x4.add(f32x4.mul(first2, v.lanes(i)), square);
    m.setLanes(i, mean);
    v.setLanes(i, second);
    const scale = f32x4.add(f32x4.mul(f32x4.sqrt(second), inverse), eps);
    const step = f32x4.div(f32x4.mul(rate, mean), scale);
    p.setLanes(i, f32x4.sub(f32x4.mul(p.lanes(i), keep), step));
    i += 4;
  } while (i < end * 4);
}
