import { BLOCK } from './constants';
import { F32, madd } from './f32';
import { groupEnd, rowOf, valueAt } from './group-norm';
import { I32 } from './i32';
import {
  C2,
  C3,
  C4,
  C5,
  C6,
  HIGHEST,
  LN2_HIGH,
  LN2_LOW,
  LOWEST,
  MINUS_LOG2E,
  MINUS_ONE,
  ONE,
  ROUND,
  Silu,
} from './silu';

/*
 * The backward pass of group normalisation; group-norm.ts has the layouts. dz is dy·silu'(z), or dy without activation: the first
 * pass over the pixels overwrites dy with it, so that the last needs no exponential. With a = weight·(1 + s) and the sums over a
 * group's n elements,
 *   dr = (a·dz − Σ a·dz/n − x̂·Σ a·dz·x̂/n)/σ.
 */

/**
 * Σ dz and Σ dz·x̂ of each channel in each block of 256 pixels of each image: partial f32 [images][blocks][2][channels].
 * dy becomes dz. Items: images × blocks.
 */
export function groupNormBackwardSums(
  partial: F32,
  dy: F32,
  dyStride: usize,
  x: F32,
  xStride: usize,
  affine: F32,
  saved: F32,
  pixels: i32,
  channels: i32,
  activation: i32,
  begin: i32,
  end: i32,
): void {
  const zero = f32x4.splat(0);
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let item = begin; item < end; item++) {
    const block = item % blocks;
    const first = (item / blocks) * pixels + block * BLOCK;
    const count = min(BLOCK, pixels - block * BLOCK);
    const scales = affine.at(<usize>((item / blocks) * 2 * channels));
    const means = saved.at(<usize>((item / blocks) * 2 * channels));
    const sums = partial.at(<usize>(item * 2 * channels));
    for (let c = 0; c < 2 * channels; c += 4) sums.setLanes(c, zero);
    const d = dy.at(<usize>first * dyStride);
    const r = x.at(<usize>first * xStride);
    if (activation) sumSiluRows(sums, d, dyStride, r, xStride, scales, means, channels, count);
    else sumRows(sums, d, dyStride, r, xStride, means, channels, count);
    for (let c = channels; c < 2 * channels; c += 4) {
      sums.setLanes(c, f32x4.mul(sums.lanes(c), means.lanes(c)));
    }
  }
}

/**
 * Replaces the dy of pixels by dz, and adds dz and dz·(r − mean) to the sums: these stay in the cache, and dy and r are read
 * sequentially. Eight channels at a time, the upper four first, so that V8 joins them.
 */
function sumSiluRows(
  sums: F32,
  dy: F32,
  dyStride: usize,
  x: F32,
  xStride: usize,
  affine: F32,
  means: F32,
  channels: usize,
  rows: i32,
): void {
  const lowest = f32x4.splat(LOWEST);
  const highest = f32x4.splat(HIGHEST);
  const minusLog2e = f32x4.splat(MINUS_LOG2E);
  const round = f32x4.splat(ROUND);
  const ln2High = f32x4.splat(LN2_HIGH);
  const ln2Low = f32x4.splat(LN2_LOW);
  const c6 = f32x4.splat(C6);
  const c5 = f32x4.splat(C5);
  const c4 = f32x4.splat(C4);
  const c3 = f32x4.splat(C3);
  const c2 = f32x4.splat(C2);
  const minusOne = f32x4.splat(MINUS_ONE);
  const one = f32x4.splat(ONE);
  const width = channels << 2;
  do {
    let d = changetype<usize>(dy);
    let r = changetype<usize>(x);
    let scale = changetype<usize>(affine);
    let shift = scale + width;
    let mean = changetype<usize>(means);
    let sum = changetype<usize>(sums);
    let dot = sum + width;
    const last = dot;
    do {
      const r0 = v128.load(r);
      const r1 = v128.load(r, 16);
      let z0 = madd(r0, v128.load(scale), v128.load(shift));
      let z1 = madd(r1, v128.load(scale, 16), v128.load(shift, 16));
      z0 = f32x4.pmax(z0, lowest);
      z1 = f32x4.pmax(z1, lowest);
      const d0 = v128.load(d);
      const d1 = v128.load(d, 16);
      const dz0 = Silu.slope(
        d0,
        z0,
        highest,
        minusLog2e,
        round,
        ln2High,
        ln2Low,
        c6,
        c5,
        c4,
        c3,
        c2,
        minusOne,
        one,
      );
      const dz1 = Silu.slope(
        d1,
        z1,
        highest,
        minusLog2e,
        round,
        ln2High,
        ln2Low,
        c6,
        c5,
        c4,
        c3,
        c2,
        minusOne,
        one,
      );
      v128.store(d, dz1, 16);
      v128.store(d, dz0);
      const s0 = v128.load(sum);
      const s1 = v128.load(sum, 16);
      v128.store(sum, f32x4.add(s1, dz1), 16);
      v128.store(sum, f32x4.add(s0, dz0));
      const x0 = f32x4.sub(r0, v128.load(mean));
      const x1 = f32x4.sub(r1, v128.load(mean, 16));
      const p0 = v128.load(dot);
      const p1 = v128.load(dot, 16);
      v128.store(dot, madd(dz1, x1, p1), 16);
      v128.store(dot, madd(dz0, x0, p0));
      d += 32;
      r += 32;
      scale += 32;
      shift += 32;
      mean += 32;
      sum += 32;
      dot += 32;
    } while (sum < last);
    dy = dy.at(dyStride);
    x = x.at(xStride);
  } while (--rows > 0);
}

/** The same without activation: dz = dy. */
function sumRows(
  sums: F32,
  dy: F32,
  dyStride: usize,
  x: F32,
  xStride: usize,
  means: F32,
  channels: usize,
  rows: i32,
): void {
  const width = channels << 2;
  do {
    let d = changetype<usize>(dy);
    let r = changetype<usize>(x);
    let mean = changetype<usize>(means);
    let sum = changetype<usize>(sums);
    let dot = sum + width;
    const last = dot;
    do {
      const d0 = v128.load(d);
      const d1 = v128.load(d, 16);
      const s0 = v128.load(sum);
      const s1 = v128.load(sum, 16);
      v128.store(sum, f32x4.add(s1, d1), 16);
      v128.store(sum, f32x4.add(s0, d0));
      const x0 = f32x4.sub(v128.load(r), v128.load(mean));
      const x1 = f32x4.sub(v128.load(r, 16), v128.load(mean, 16));
      const p0 = v128.load(dot);
      const p1 = v128.load(dot, 16);
      v128.store(dot, madd(d1, x1, p1), 16);
      v128.store(dot, madd(d0, x0, p0));
      d += 32;
      r += 32;
      mean += 32;
      sum += 32;
      dot += 32;
    } while (sum < last);
    dy = dy.at(dyStride);
    x = x.at(xStride);
  } while (--rows > 0);
}

/**
 * From the sums of the blocks: factors [images][3][channels] of dr = f₀·dz + f₁·r + f₂; sums f32 [images][2][channels], an image's
 * contribution to dbias and dweight; dfilm [images] rows of `dfilmStride` floats, the gradient of film (null: not needed), overwritten.
 * Items: images.
 */
export function groupNormBackwardFinish(
  factors: F32,
  sums: F32,
  dfilm: F32,
  dfilmStride: usize,
  partial: F32,
  weight: F32,
  bias: F32,
  saved: F32,
  film: F32,
  filmStride: usize,
  members: I32,
  pixels: i32,
  channels: i32,
  groups: i32,
  per: i32,
  begin: i32,
  end: i32,
): void {
  const elements = <f64>per * <f64>pixels;
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let image = begin; image < end; image++) {
    const parts = partial.at(<usize>(image * blocks * 2 * channels));
    const kept = saved.at(<usize>(image * 2 * channels));
    const stretches = rowOf(film, image, filmStride);
    const total = sums.at(<usize>(image * 2 * channels));
    const gradient = rowOf(dfilm, image, dfilmStride);
    const to = factors.at(<usize>(image * 3 * channels));
    let first = 0;
    for (let group = 0; group < groups; group++) {
      const last = groupEnd(members, first, channels, group);
      let sum: f64 = 0;
      let dot: f64 = 0;
      for (let c = first; c < last; c++) {
        const dz = blockSum(parts, c, blocks, channels);
        const product = blockSum(parts, channels + c, blocks, channels);
        const stretch = 1 + valueAt(stretches, c);
        total[c] = <f32>(dz * stretch);
        total[channels + c] = <f32>(product * stretch);
        if (changetype<usize>(gradient) !== 0) {
          gradient[c] = <f32>(<f64>weight[c] * product + <f64>bias[c] * dz);
          gradient[channels + c] = <f32>dz;
        }
        sum += <f64>weight[c] * stretch * dz;
        dot += <f64>weight[c] * stretch * product;
      }
      putFactors(
        to,
        first,
        last,
        weight,
        kept,
        stretches,
        sum / elements,
        dot / elements,
        channels,
      );
      first = last;
    }
  }
}

/** The sum over an image's blocks of element c of each. */
function blockSum(partial: F32, c: usize, blocks: i32, channels: i32): f64 {
  let sum: f64 = 0;
  for (let block = 0, at = c; block < blocks; block++, at += 2 * channels) sum += <f64>partial[at];
  return sum;
}

/** The factors of the channels [first, last) of a group, whose means of a·dz and a·dz·x̂ are given; 0 for padding, as 1/σ is. */
function putFactors(
  factors: F32,
  first: i32,
  last: i32,
  weight: F32,
  saved: F32,
  film: F32,
  mean: f64,
  dot: f64,
  channels: i32,
): void {
  for (let c = first; c < last; c++) {
    const inverse = <f64>saved[channels + c];
    const slope = -inverse * inverse * dot;
    factors[c] = <f32>(<f64>weight[c] * (1 + valueAt(film, c)) * inverse);
    factors[channels + c] = <f32>slope;
    factors[2 * channels + c] = <f32>(-inverse * mean - slope * <f64>saved[c]);
  }
}

/** dweight and dbias from the sums of all images, added to the previous contents if `accumulate`. Items: channels. */
export function groupNormBackwardParameters(
  dweight: F32,
  dbias: F32,
  sums: F32,
  images: i32,
  channels: i32,
  accumulate: bool,
  begin: i32,
  end: i32,
): void {
  for (let c = begin; c < end; c++) {
    const sum = blockSum(sums, c, images, channels);
    const dot = blockSum(sums, channels + c, images, channels);
    dweight[c] = <f32>(accumulate ? <f64>dweight[c] + dot : dot);
    dbias[c] = <f32>(accumulate ? <f64>dbias[c] + sum : sum);
  }
}
