import { F32 } from './f32';

/**
 * AdamW (Loshchilov & Hutter, 2019, algorithm 2), as in torch.optim.AdamW: with g' = clip·g,
 * m ← β₁m + (1−β₁)g', v ← β₂v + (1−β₂)g'², p ← p·(1 − lr·decay) − lr/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + eps).
 * p, g, m, v: f32 [8·items]. rates: f32 [lr/(1−β₁ᵗ), 1/√(1−β₂ᵗ), lr·decay]. clip: one factor f32 (see `gradientClip`), or null.
 * Items: eight elements each.
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
  let i = begin * 8;
  // The test is at the end: V8 hoists out of a loop only what is computed before every exit, here everything above.
  do {
    const g0 = f32x4.mul(g.lanes(i), factor);
    const g1 = f32x4.mul(g.upperLanes(i), factor);
    const m0 = f32x4.add(f32x4.mul(first1, m.lanes(i)), f32x4.mul(rest1, g0));
    const m1 = f32x4.add(f32x4.mul(first1, m.upperLanes(i)), f32x4.mul(rest1, g1));
    const v0 = f32x4.add(f32x4.mul(first2, v.lanes(i)), f32x4.mul(rest2, f32x4.mul(g0, g0)));
    const v1 = f32x4.add(f32x4.mul(first2, v.upperLanes(i)), f32x4.mul(rest2, f32x4.mul(g1, g1)));
    m.setPair(i, m0, m1);
    v.setPair(i, v0, v1);
    const s0 = f32x4.div(f32x4.mul(rate, m0), f32x4.add(f32x4.mul(f32x4.sqrt(v0), inverse), eps));
    const s1 = f32x4.div(f32x4.mul(rate, m1), f32x4.add(f32x4.mul(f32x4.sqrt(v1), inverse), eps));
    const p0 = f32x4.sub(f32x4.mul(p.lanes(i), keep), s0);
    const p1 = f32x4.sub(f32x4.mul(p.upperLanes(i), keep), s1);
    p.setPair(i, p0, p1);
    i += 8;
  } while (i < end * 8);
}
