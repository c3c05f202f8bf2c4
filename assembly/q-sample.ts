import { F32 } from './f32';
import { U32 } from './u32';

/**
 * Forward noising, Ho et al. (2020) eq. 4: x_t = √ᾱ_t·x_0 + √(1−ᾱ_t)·ε, element-wise, with
 * a = √ᾱ_t and b = √(1−ᾱ_t).
 * out, x0, eps: f32[end]; out may alias x0 or eps. Touches [begin, end) only.
 */
export function qSample(
  out: F32,
  x0: F32,
  eps: F32,
  a: f32,
  b: f32,
  begin: usize,
  end: usize,
): void {
  const va = f32x4.splat(a);
  const vb = f32x4.splat(b);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    out.setLanes(i, f32x4.add(f32x4.mul(va, x0.lanes(i)), f32x4.mul(vb, eps.lanes(i))));
  }
  for (; i < end; i++) out[i] = a * x0[i] + b * eps[i];
}

/**
 * Forward noising of a batch with a separate timestep for each image:
 * out[k] = sqrtAlphaBar[t[k]]·x0[k] + sqrtOneMinusAlphaBar[t[k]]·eps[k].
 * out, x0, eps: f32[images][elementsPerImage]; t: u32[images], indices into the two tables.
 * Items are the flat elements of out; touches [begin, end) only.
 */
export function qSampleImages(
  out: F32,
  x0: F32,
  eps: F32,
  sqrtAlphaBar: F32,
  sqrtOneMinusAlphaBar: F32,
  t: U32,
  elementsPerImage: usize,
  begin: usize,
  end: usize,
): void {
  let image = begin / elementsPerImage;
  for (let i = begin; i < end; image++) {
    const next = min((image + 1) * elementsPerImage, end);
    const step = <usize>t[image];
    qSample(out, x0, eps, sqrtAlphaBar[step], sqrtOneMinusAlphaBar[step], i, next);
    i = next;
  }
}
