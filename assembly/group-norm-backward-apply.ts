import { BLOCK } from './constants';
import { F32, madd } from './f32';
import { rowOf } from './group-norm';

/*
 * The last pass of group normalisation's backward: the gradient of its input, from the factors of `groupNormBackwardFinish` (see
 * group-norm-backward.ts for the equation, group-norm.ts for the layouts).
 */

/**
 * dx = f₀·dz + f₁·r + f₂, added to the previous contents if `accumulate`; dx may alias dz. columns (or null): f32 [images][blocks][channels],
 * the sums of what was written or added in blocks of 256 pixels, from which `joinColumnSums` computes the gradient of `add`.
 * Items: images × blocks.
 */
export function groupNormBackwardApply(
  dx: F32,
  dxStride: usize,
  columns: F32,
  dz: F32,
  dzStride: usize,
  x: F32,
  xStride: usize,
  factors: F32,
  pixels: i32,
  channels: i32,
  accumulate: bool,
  begin: i32,
  end: i32,
): void {
  const zero = f32x4.splat(0);
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let item = begin; item < end; item++) {
    const block = item % blocks;
    const first = (item / blocks) * pixels + block * BLOCK;
    const count = min(BLOCK, pixels - block * BLOCK);
    const terms = factors.at(<usize>((item / blocks) * 3 * channels));
    const sums = rowOf(columns, item, channels);
    if (changetype<usize>(sums) !== 0) for (let c = 0; c < channels; c += 4) sums.setLanes(c, zero);
    const to = dx.at(<usize>first * dxStride);
    const d = dz.at(<usize>first * dzStride);
    const r = x.at(<usize>first * xStride);
    const summed = changetype<usize>(sums) !== 0;
    if (summed && accumulate)
      Apply.rows(true, true, to, dxStride, sums, d, dzStride, r, xStride, terms, channels, count);
    else if (summed)
      Apply.rows(true, false, to, dxStride, sums, d, dzStride, r, xStride, terms, channels, count);
    else if (accumulate)
      Apply.rows(false, true, to, dxStride, sums, d, dzStride, r, xStride, terms, channels, count);
    else
      Apply.rows(false, false, to, dxStride, sums, d, dzStride, r, xStride, terms, channels, count);
  }
}

/** Eight channels at a time, the upper four first, so that V8 joins them. */
@unmanaged
class Apply {
  /** `summed` and `accumulate` are constants where it is inlined. */
  @inline
  static rows(
    summed: bool,
    accumulate: bool,
    dx: F32,
    dxStride: usize,
    columns: F32,
    dz: F32,
    dzStride: usize,
    x: F32,
    xStride: usize,
    factors: F32,
    channels: usize,
    rows: i32,
  ): void {
    const width = channels << 2;
    do {
      let to = changetype<usize>(dx);
      let d = changetype<usize>(dz);
      let r = changetype<usize>(x);
      let factor = changetype<usize>(factors);
      let slope = factor + width;
      let offset = slope + width;
      let sum = changetype<usize>(columns);
      const last = slope;
      do {
        const f0 = madd(v128.load(r), v128.load(slope), v128.load(offset));
        const f1 = madd(v128.load(r, 16), v128.load(slope, 16), v128.load(offset, 16));
        let v0 = madd(v128.load(d), v128.load(factor), f0);
        let v1 = madd(v128.load(d, 16), v128.load(factor, 16), f1);
        if (summed) {
          const s0 = v128.load(sum);
          const s1 = v128.load(sum, 16);
          v128.store(sum, f32x4.add(s1, v1), 16);
          v128.store(sum, f32x4.add(s0, v0));
        }
        if (accumulate) {
          const y0 = v128.load(to);
          const y1 = v128.load(to, 16);
          v0 = f32x4.add(y0, v0);
          v1 = f32x4.add(y1, v1);
        }
        v128.store(to, v1, 16);
        v128.store(to, v0);
        to += 32;
        d += 32;
        r += 32;
        factor += 32;
        slope += 32;
        offset += 32;
        if (summed) sum += 32;
      } while (factor < last);
      dx = dx.at(dxStride);
      dz = dz.at(dzStride);
      x = x.at(xStride);
    } while (--rows > 0);
  }
}
