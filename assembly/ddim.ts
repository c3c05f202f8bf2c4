import { F32 } from './f32';

/**
 * Generalised reverse step from timestep t to an earlier one s, Song et al. (2021) eq. 12:
 *   x̂_0 = (x_t − √(1−ᾱ_t)·ε̂)/√ᾱ_t,
 *   x_s = √ᾱ_s·x̂_0 + √(1−ᾱ_s−σ²)·ε̂ + σ·z, element-wise.
 * coefficients: f32[5] = [1/√ᾱ_t, √(1−ᾱ_t), √ᾱ_s, √(1−ᾱ_s−σ²), σ]; if σ is 0, z is not read.
 * out, x, eps, z: f32[end]; out may alias any of them. Touches [begin, end) only.
 */
export function ddimStep(
  out: F32,
  x: F32,
  eps: F32,
  z: F32,
  coefficients: F32,
  begin: usize,
  end: usize,
): void {
  const noisy = coefficients[4] !== 0;
  const recip = coefficients.splat(0);
  const noise = coefficients.splat(1);
  const signal = coefficients.splat(2);
  const direction = coefficients.splat(3);
  const sigma = coefficients.splat(4);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const e = eps.lanes(i);
    const x0 = f32x4.mul(f32x4.sub(x.lanes(i), f32x4.mul(noise, e)), recip);
    let next = f32x4.add(f32x4.mul(signal, x0), f32x4.mul(direction, e));
    if (noisy) next = f32x4.add(next, f32x4.mul(sigma, z.lanes(i)));
    out.setLanes(i, next);
  }
  for (; i < end; i++) {
    const e = eps[i];
    const x0 = (x[i] - coefficients[1] * e) * coefficients[0];
    let next = coefficients[2] * x0 + coefficients[3] * e;
    if (noisy) next += coefficients[4] * z[i];
    out[i] = next;
  }
}
