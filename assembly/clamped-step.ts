import { F32 } from './f32';

/**
 * Reverse step whose forecast of the image is clamped, any sampler without memory:
 *   x̂_0 = clamp(a·x_t + b·ε̂, ±range), x_s = c·x_t + d·x̂_0 + h·ε̂ + σ·z, element-wise.
 * Ho et al. (2020), eq. 7, has h = 0; Song et al. (2021), eq. 12, has c = 0 and takes its direction from the ε̂ that is not
 * clamped.
 * coefficients: f32[7] = [a, b, range, c, d, h, σ]; a σ of 0 leaves z unread. A NaN stays one.
 * out, x, eps, z: f32[end]; out may alias any of them. Touches [begin, end) only.
 */
export function clampedStep(
  out: F32,
  x: F32,
  eps: F32,
  z: F32,
  coefficients: F32,
  begin: usize,
  end: usize,
): void {
  const noisy = coefficients[6] !== 0;
  const ofX = coefficients.splat(0);
  const ofEps = coefficients.splat(1);
  const range = coefficients.splat(2);
  const low = f32x4.neg(range);
  const keep = coefficients.splat(3);
  const signal = coefficients.splat(4);
  const direction = coefficients.splat(5);
  const sigma = coefficients.splat(6);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const v = x.lanes(i);
    const e = eps.lanes(i);
    const foreseen = f32x4.add(f32x4.mul(ofX, v), f32x4.mul(ofEps, e));
    const x0 = f32x4.max(low, f32x4.min(range, foreseen));
    let next = f32x4.add(f32x4.mul(keep, v), f32x4.mul(signal, x0));
    next = f32x4.add(next, f32x4.mul(direction, e));
    if (noisy) next = f32x4.add(next, f32x4.mul(sigma, z.lanes(i)));
    out.setLanes(i, next);
  }
  for (; i < end; i++) {
    const v = x[i];
    const e = eps[i];
    const foreseen = coefficients[0] * v + coefficients[1] * e;
    const x0 = max<f32>(-coefficients[2], min<f32>(coefficients[2], foreseen));
    let next = coefficients[3] * v + coefficients[4] * x0;
    next = next + coefficients[5] * e;
    if (noisy) next = next + coefficients[6] * z[i];
    out[i] = next;
  }
}
