import { F32 } from './f32';

/**
 * Ancestral reverse step, Ho et al. (2020) Algorithm 2, line 4:
 *   x_{t−1} = 1/√α_t · (x_t − β_t/√(1−ᾱ_t)·ε̂) + σ_t·z, element-wise.
 * coefficients: f32[3] = [1/√α_t, β_t/√(1−ᾱ_t), σ_t]; if σ is 0 (t = 0), the result is the mean and
 * z is not read.
 * out, x, eps, z: f32[end]; out may alias any of them. Touches [begin, end) only.
 */
export function pSample(
  out: F32,
  x: F32,
  eps: F32,
  z: F32,
  coefficients: F32,
  begin: usize,
  end: usize,
): void {
  const recip = coefficients[0];
  const scale = coefficients[1];
  const sigma = coefficients[2];
  const vRecip = f32x4.splat(recip);
  const vScale = f32x4.splat(scale);
  const vSigma = f32x4.splat(sigma);
  let i = begin;
  if (sigma === 0) {
    for (; i + 4 <= end; i += 4) {
      const denoised = f32x4.sub(x.lanes(i), f32x4.mul(vScale, eps.lanes(i)));
      out.setLanes(i, f32x4.mul(vRecip, denoised));
    }
    for (; i < end; i++) out[i] = recip * (x[i] - scale * eps[i]);
    return;
  }
  for (; i + 4 <= end; i += 4) {
    const denoised = f32x4.sub(x.lanes(i), f32x4.mul(vScale, eps.lanes(i)));
    out.setLanes(i, f32x4.add(f32x4.mul(vRecip, denoised), f32x4.mul(vSigma, z.lanes(i))));
  }
  for (; i < end; i++) out[i] = recip * (x[i] - scale * eps[i]) + sigma * z[i];
}
