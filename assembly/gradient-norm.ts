import { CLIP_BLOCK } from './constants';
import { F32 } from './f32';
import { F64 } from './f64';

/*
 * Clipping by global norm, as in torch.nn.utils.clip_grad_norm_ (Pascanu et al., 2013).
 */

/** Floats summed at a time; constant, so that the norm does not depend on the workers. */
const BLOCK: usize = CLIP_BLOCK;

/** partial f64 [blocks] = Σ g² over each 4096 floats, in f64. g: f32 [count]. Items: blocks. */
export function gradientNorm(partial: F64, g: F32, count: usize, begin: usize, end: usize): void {
  for (let block = begin; block < end; block++) {
    const last = min((block + 1) * BLOCK, count);
    let sum0 = f64x2.splat(0);
    let sum1 = sum0;
    let i = block * BLOCK;
    for (; i + 4 <= last; i += 4) {
      const quad = g.lanes(i);
      const low = f64x2.promote_low_f32x4(quad);
      const high = f64x2.promote_low_f32x4(i32x4.shuffle(quad, quad, 2, 3, 2, 3));
      sum0 = f64x2.add(sum0, f64x2.mul(low, low));
      sum1 = f64x2.add(sum1, f64x2.mul(high, high));
    }
    const sums = f64x2.add(sum0, sum1);
    let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    for (; i < last; i++) sum += <f64>g[i] * <f64>g[i];
    partial[block] = sum;
  }
}

/**
 * out f32 [2] = the norm √Σ partial, and the factor min(1, maxNorm/(norm + 1e-6)) for the gradient; NaN
 * if the norm is. Items: 1.
 */
export function gradientClip(
  out: F32,
  partial: F64,
  blocks: i32,
  maxNorm: f64,
  begin: i32,
  end: i32,
): void {
  for (let item = begin; item < end; item++) {
    let sum: f64 = 0;
    for (let block = 0; block < blocks; block++) sum += partial[block];
    const norm = Math.sqrt(sum);
    out[0] = <f32>norm;
    out[1] = <f32>Math.min(1, maxNorm / (norm + 1e-6));
  }
}
