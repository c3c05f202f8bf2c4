import { BLOCK } from './constants';
import { F32, madd } from './f32';
import { blockMoments } from './moments';

/*
 * Batch normalisation (Ioffe & Szegedy, 2015) over the rows of r: f32 [rows, channels], where rows are all pixels
 * of the batch. r is the output of ReLU, so the backward pass also masks with r > 0. Sums are taken over
 * fixed blocks of 256 rows, then over the blocks in order: the same bits for any number of workers.
 */

/** Rows for which `batchNormBackwardApply` loads factors and sums once. Measured: 16 take two thirds of the time of one. */
const ROWS: i32 = 16;

/**
 * Mean and sum of squared deviations of each block: partial f32 [blocks][2][channels]. Items: blocks.
 * The deviations are taken from the block's own mean, so no digits cancel.
 */
export function batchNormMoments(
  partial: F32,
  r: F32,
  rows: i32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  for (let block = begin; block < end; block++) {
    const first = block * BLOCK;
    const count = min(BLOCK, rows - first);
    const x = r.at(<usize>first * channels);
    const to = partial.at(<usize>(block * 2 * channels));
    blockMoments(to, x, count, channels, channels, channels);
  }
}

/**
 * Combines the blocks (Chan et al., 1979) and computes what the normalisation needs.
 * affine [2][channels]: scale = weight/√(var + eps), shift = bias − mean·scale. saved [2][channels]: mean, 1/√(var + eps).
 * With momentum > 0 the running statistics are updated: running += momentum · (batch − running), variance unbiased, as in
 * PyTorch. Items: channels.
 */
export function batchNormFinish(
  affine: F32,
  saved: F32,
  runningMean: F32,
  runningVar: F32,
  partial: F32,
  weight: F32,
  bias: F32,
  rows: i32,
  channels: i32,
  momentum: f32,
  eps: f64,
  begin: i32,
  end: i32,
): void {
  const blocks = (rows + BLOCK - 1) / BLOCK;
  for (let c = begin; c < end; c++) {
    let mean: f64 = 0,
      square: f64 = 0,
      seen: f64 = 0;
    for (let block = 0; block < blocks; block++) {
      const count = <f64>min(BLOCK, rows - block * BLOCK);
      const at = <usize>(block * 2 * channels + c);
      const delta = <f64>partial[at] - mean;
      const total = seen + count;
      mean += (delta * count) / total;
      square += <f64>partial[at + channels] + (delta * delta * seen * count) / total;
      seen = total;
    }
    const variance = square / <f64>rows;
    const inverse = 1 / Math.sqrt(variance + eps);
    saved[c] = <f32>mean;
    saved[channels + c] = <f32>inverse;
    const scale = <f64>weight[c] * inverse;
    affine[c] = <f32>scale;
    affine[channels + c] = <f32>(<f64>bias[c] - mean * scale);
    if (momentum > 0) {
      const unbiased = square / Math.max(1, <f64>rows - 1);
      runningMean[c] = <f32>((1 - <f64>momentum) * <f64>runningMean[c] + <f64>momentum * mean);
      runningVar[c] = <f32>((1 - <f64>momentum) * <f64>runningVar[c] + <f64>momentum * unbiased);
    }
  }
}

/** Evaluation: scale and shift from the running statistics. affine [2][channels]. Items: channels. */
export function batchNormRunning(
  affine: F32,
  mean: F32,
  variance: F32,
  weight: F32,
  bias: F32,
  channels: i32,
  eps: f64,
  begin: i32,
  end: i32,
): void {
  for (let c = begin; c < end; c++) {
    const scale = <f64>weight[c] / Math.sqrt(<f64>variance[c] + eps);
    affine[c] = <f32>scale;
    affine[channels + c] = <f32>(<f64>bias[c] - <f64>mean[c] * scale);
  }
}

/**
 * The two sums of the backward pass, for blocks of 256 pixels of each image: partial [images][blocks][2][channels] = Σ dh,
 * Σ dh·x̂ with x̂ = (r − mean)/σ. Separate for each image, since the time embedding's gradient also uses the
 * first. Items: images × blocks.
 */
export function batchNormBackwardSums(
  partial: F32,
  dh: F32,
  r: F32,
  saved: F32,
  pixels: i32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  const zero = f32x4.splat(0);
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let item = begin; item < end; item++) {
    const block = item % blocks;
    const first = (item / blocks) * pixels + block * BLOCK;
    const count = min(BLOCK, pixels - block * BLOCK);
    const sums = partial.at(<usize>(item * 2 * channels));
    const dots = sums.at(channels);
    for (let c = 0; c < 2 * channels; c += 4) sums.setLanes(c, zero);
    // Row by row, with the sums in memory: they stay in the cache, and dh and r are read sequentially.
    for (let row = first; row < first + count; row++) {
      const at = <usize>row * channels;
      for (let c = 0; c < channels; c += 4) {
        const d = dh.lanes(at + c);
        const x = f32x4.sub(r.lanes(at + c), saved.lanes(c));
        sums.setLanes(c, f32x4.add(sums.lanes(c), d));
        dots.setLanes(c, madd(d, x, dots.lanes(c)));
      }
    }
    for (let c = 0; c < channels; c += 4)
      dots.setLanes(c, f32x4.mul(dots.lanes(c), saved.lanes(channels + c)));
  }
}

/**
 * dweight = Σ dh·x̂, dbias = Σ dh (added to the previous contents if `accumulate`: a shared norm is applied twice), and
 * factors [3][channels] of dr = f0·dh + f1·r + f2, i.e. weight/σ · (dh − Σdh/n − x̂·Σ(dh·x̂)/n), from the partial sums
 * of all images. Items: channels.
 */
export function batchNormBackwardFinish(
  factors: F32,
  dweight: F32,
  dbias: F32,
  partial: F32,
  weight: F32,
  saved: F32,
  rows: i32,
  blocks: i32,
  channels: i32,
  accumulate: bool,
  begin: i32,
  end: i32,
): void {
  for (let c = begin; c < end; c++) {
    let sum: f64 = 0,
      dot: f64 = 0;
    for (let block = 0; block < blocks; block++) {
      const at = <usize>(block * 2 * channels + c);
      sum += <f64>partial[at];
      dot += <f64>partial[at + channels];
    }
    dweight[c] = <f32>(accumulate ? <f64>dweight[c] + dot : dot);
    dbias[c] = <f32>(accumulate ? <f64>dbias[c] + sum : sum);
    const mean = <f64>saved[c];
    const inverse = <f64>saved[channels + c];
    const scale = <f64>weight[c] * inverse;
    const slope = (-scale * inverse * dot) / <f64>rows;
    factors[c] = <f32>scale;
    factors[channels + c] = <f32>slope;
    factors[2 * channels + c] = <f32>((-scale * sum) / <f64>rows - slope * mean);
  }
}

/**
 * Back through the norm and the ReLU before it, in place: dh ← r > 0 ? f0·dh + f1·r + f2 : 0. That is the gradient of a
 * convolution's output, so its sums are taken on the fly, for the bias: columns [images][blocks][channels], by blocks of
 * 256 pixels. Items: images × blocks.
 */
export function batchNormBackwardApply(
  dh: F32,
  columns: F32,
  r: F32,
  factors: F32,
  pixels: i32,
  channels: i32,
  begin: i32,
  end: i32,
): void {
  const zero = f32x4.splat(0);
  const blocks = (pixels + BLOCK - 1) / BLOCK;
  for (let item = begin; item < end; item++) {
    const block = item % blocks;
    const first = (item / blocks) * pixels + block * BLOCK;
    const count = min(BLOCK, pixels - block * BLOCK);
    const sums = columns.at(<usize>(item * channels));
    for (let c = 0; c < channels; c += 4) sums.setLanes(c, zero);
    const last = first + count;
    for (let row = first; row < last; row += ROWS) {
      const d = dh.at(<usize>row * channels);
      const x = r.at(<usize>row * channels);
      for (let c = 0; c < channels; c += 4)
        applyRows(d.at(c), sums.at(c), x.at(c), factors.at(c), min(ROWS, last - row), channels);
    }
  }
}

/** `batchNormBackwardApply` for four channels of at least one row, `channels` floats apart. */
function applyRows(d: F32, sums: F32, r: F32, factors: F32, rows: i32, channels: usize): void {
  const zero = f32x4.splat(0);
  const f0 = factors.lanes(0);
  const f1 = factors.lanes(channels);
  const f2 = factors.lanes(2 * channels);
  let sum = sums.lanes(0);
  do {
    const x = r.lanes(0);
    const value = madd(d.lanes(0), f0, madd(x, f1, f2));
    const through = v128.and(value, f32x4.gt(x, zero));
    d.setLanes(0, through);
    sum = f32x4.add(sum, through);
    d = d.at(channels);
    r = r.at(channels);
  } while (--rows > 0);
  sums.setLanes(0, sum);
}
