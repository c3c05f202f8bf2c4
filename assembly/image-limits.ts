import { F32 } from './f32';

/** Bits of infinity, above those of every other non-negative number. */
const INFINITE: i32 = 0x7f800000;

/**
 * The limit of dynamic thresholding for an image (Saharia et al. 2022, section 2.3): the value of this rank among its
 * |x̂_0| = |a·x + b·m|, at least 1 and at most `largest`. A fractional rank interpolates (like
 * torch.quantile's `linear`).
 * limits: f32[images]; x, output: f32[images][each]; row: f32, a and b first. rank: from 0 to each − 1. Items: images.
 */
export function imageLimits(
  limits: F32,
  x: F32,
  output: F32,
  row: F32,
  each: usize,
  rank: f32,
  largest: f32,
  begin: usize,
  end: usize,
): void {
  const below = <i32>rank;
  const share = rank - <f32>below;
  for (let image = begin; image < end; image++) {
    const from = image * each;
    const low = ranked(x, output, row, from, from + each, below);
    let value = reinterpret<f32>(low);
    if (share > 0) {
      let high = low;
      if (countUpTo(x, output, row, from, from + each, low) < below + 2)
        high = smallestAbove(x, output, row, from, from + each, low);
      value += share * (reinterpret<f32>(high) - value);
    }
    limits[image] = min<f32>(max<f32>(value, 1), largest);
  }
}

/** Bits of the value of this rank; the bits of non-negative numbers are in the numbers' order. */
function ranked(x: F32, output: F32, row: F32, from: usize, to: usize, rank: i32): i32 {
  let low: i32 = 0;
  let high = INFINITE;
  while (low < high) {
    const middle = low + ((high - low) >> 1);
    if (countUpTo(x, output, row, from, to, middle) > rank) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The number of |x̂_0| whose bits are at most `bound`. */
function countUpTo(x: F32, output: F32, row: F32, from: usize, to: usize, bound: i32): i32 {
  const most = i32x4.splat(bound);
  let counts = i32x4.splat(0);
  let i = from;
  for (; i + 4 <= to; i += 4)
    counts = i32x4.sub(counts, i32x4.le_s(magnitudes(x, output, row, i), most));
  let count =
    i32x4.extract_lane(counts, 0) +
    i32x4.extract_lane(counts, 1) +
    i32x4.extract_lane(counts, 2) +
    i32x4.extract_lane(counts, 3);
  for (; i < to; i++) count += i32(magnitude(x, output, row, i) <= bound);
  return count;
}

/** The smallest bits of |x̂_0| above `bound`. */
function smallestAbove(x: F32, output: F32, row: F32, from: usize, to: usize, bound: i32): i32 {
  let smallest = INFINITE;
  for (let i = from; i < to; i++) {
    const bits = magnitude(x, output, row, i);
    if (bits > bound) smallest = min(smallest, bits);
  }
  return smallest;
}

function magnitudes(x: F32, output: F32, row: F32, i: usize): v128 {
  const ofX = f32x4.mul(row.splat(0), x.lanes(i));
  return f32x4.abs(f32x4.add(ofX, f32x4.mul(row.splat(1), output.lanes(i))));
}

function magnitude(x: F32, output: F32, row: F32, i: usize): i32 {
  return reinterpret<i32>(abs<f32>(row[0] * x[i] + row[1] * output[i]));
}
