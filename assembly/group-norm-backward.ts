import { BLOCK } from './constants';
import { F32, madd } from './f32';
import { groupEnd, rowOf, valueAt } from './group-norm';
import { I32 } from './i32';
import { siluSlopeLanes } from './silu';

/*
 * The backward pass of group normalisation; group-norm.ts has the layouts. dz is dy·silu'(z), or dy without activation: the first
 * pass over the pixels writes it over dy, so that the last needs no exponential. With a = weight·(1 + s) and the sums over a
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
    const last = first + min(BLOCK, pixels - block * BLOCK);
    const scales = affine.at(<usize>((item / blocks) * 2 * channels));
    const means = saved.at(<usize>((item / blocks) * 2 * channels));
    const sums = partial.at(<usize>(item * 2 * channels));
    for (let c = 0; c < 2 * channels; c += 4) sums.setLanes(c, zero);
    for (let row = first; row < last; row++) {
      const d = dy.at(<usize>row * dyStride);
      const r = x.at(<usize>row * xStride);
      if (activation) sumSiluRow(sums, d, r, scales, means, channels);
      else sumRow(sums, d, r, means, channels);
    }
    for (let c = channels; c < 2 * channels; c += 4) {
      sums.setLanes(c, f32x4.mul(sums.lanes(c), means.lanes(c)));
    }
  }
}

/** Turns a pixel's dy into dz, and adds dz and dz·(r − mean) to the sums: these stay in the cache, dy and r are read as they lie. */
function sumSiluRow(sums: F32, d: F32, x: F32, affine: F32, means: F32, channels: usize): void {
  const dots = sums.at(channels);
  const shifts = affine.at(channels);
  let c: usize = 0;
  do {
    const r = x.lanes(c);
    const dz = siluSlopeLanes(d.lanes(c), madd(r, affine.lanes(c), shifts.lanes(c)));
    d.setLanes(c, dz);
    sums.setLanes(c, f32x4.add(sums.lanes(c), dz));
    dots.setLanes(c, madd(dz, f32x4.sub(r, means.lanes(c)), dots.lanes(c)));
    c += 4;
  } while (c < channels);
}

/** The same without activation: dz = d. */
function sumRow(sums: F32, d: F32, x: F32, means: F32, channels: usize): void {
  const dots = sums.at(channels);
  let c: usize = 0;
  do {
    const dz = d.lanes(c);
    sums.setLanes(c, f32x4.add(sums.lanes(c), dz));
    dots.setLanes(c, madd(dz, f32x4.sub(x.lanes(c), means.lanes(c)), dots.lanes(c)));
    c += 4;
  } while (c < channels);
}

/**
 * From the sums of the blocks: factors [images][3][channels] of dr = f₀·dz + f₁·r + f₂; sums f32 [images][2][channels], an image's
 * part in dbias and in dweight; dfilm [images] rows of `dfilmStride` floats, the gradient of film (null: not wanted), overwritten.
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

/** dweight and dbias from the sums of all images, added to what is there if `accumulate`. Items: channels. */
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

/**
 * dx = f₀·dz + f₁·r + f₂, added to what is there if `accumulate`; dx may be dz. columns (or null): f32 [images][blocks][channels],
 * the sums of what was set or added in blocks of 256 pixels, from which `joinColumnSums` makes the gradient of `add`.
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
    const last = first + min(BLOCK, pixels - block * BLOCK);
    const terms = factors.at(<usize>((item / blocks) * 3 * channels));
    const sums = rowOf(columns, item, channels);
    if (changetype<usize>(sums) !== 0) for (let c = 0; c < channels; c += 4) sums.setLanes(c, zero);
    for (let row = first; row < last; row++) {
      const to = dx.at(<usize>row * dxStride);
      const d = dz.at(<usize>row * dzStride);
      const r = x.at(<usize>row * xStride);
      applyRow(to, sums, d, r, terms, channels, accumulate);
    }
  }
}

/** One pixel. */
function applyRow(
  dx: F32,
  sums: F32,
  d: F32,
  x: F32,
  factors: F32,
  channels: usize,
  accumulate: bool,
): void {
  const summed = changetype<usize>(sums) !== 0;
  const slopes = factors.at(channels);
  const offsets = slopes.at(channels);
  let c: usize = 0;
  do {
    const r = x.lanes(c);
    let value = madd(d.lanes(c), factors.lanes(c), madd(r, slopes.lanes(c), offsets.lanes(c)));
    if (summed) sums.setLanes(c, f32x4.add(sums.lanes(c), value));
    if (accumulate) value = f32x4.add(dx.lanes(c), value);
    dx.setLanes(c, value);
    c += 4;
  } while (c < channels);
}
