import { ConvShape } from './conv-shape';
import { F32 } from './f32';
import { tileOverRows } from './gemm';

/** Grid rows summed at a time; constant, since it sets where partial sums are rounded to memory. */
const ROWS: i32 = 256;

/**
 * Gradient of a convolution's weights: dW[tap, ci, co] = Σ_r x[r ⊕ tap, ci] · dy[r, co], in panels (see ConvShape).
 * scratch: 18,432 floats of this worker (256 rows of up to 64 input channels, and of one panel).
 * Items: phase × tap × group of `channelsPerItem` (a multiple of 4, at most 64) input channels.
 * Each weight is summed over the rows in order.
 */
export function convWeightGradient(
  dw: F32,
  x: F32,
  dy: F32,
  shape: ConvShape,
  scratch: F32,
  begin: i32,
  end: i32,
): void {
  const rows = shape.rows();
  const panels = shape.outputs >> 3;
  const taps = shape.taps * shape.taps;
  const phases = shape.phases * shape.phases;
  const groups = (shape.inputs + shape.channelsPerItem - 1) / shape.channelsPerItem;
  const column = scratch.at(<usize>(ROWS * 64));
  for (let item = begin; item < end; item++) {
    const channel = (item % groups) * shape.channelsPerItem;
    const tap = (item / groups) % taps;
    const phase = item / (groups * taps);
    const channels = min(shape.channelsPerItem, shape.inputs - channel);
    for (let row = 0; row < rows; row += ROWS) {
      const count = min(ROWS, rows - row);
      packInput(scratch, x, shape, phase, tap, channel, channels, row, count);
      for (let j = 0; j < panels; j++) {
        packOutput(column, dy, shape, phase, j, row, count);
        let c = dw.at((<usize>((j * phases + phase) * taps + tap) * shape.inputs + channel) * 8);
        for (let i = 0; i < channels; i += 4) {
          tileOverRows(c, scratch.at(<usize>(i * count)), column, count, row > 0);
          c = c.at(32);
        }
      }
    }
  }
}

/** x at one tap of `count` rows, [channels/4][count][4]; what lies outside the image is zero. */
function packInput(
  packed: F32,
  x: F32,
  shape: ConvShape,
  phase: i32,
  tap: i32,
  channel: i32,
  channels: i32,
  row: i32,
  count: i32,
): void {
  const offsetY = shape.offset + phase / shape.phases + tap / shape.taps;
  const offsetX = shape.offset + (phase % shape.phases) + (tap % shape.taps);
  let gx = row % shape.gridWidth;
  let gy = (row / shape.gridWidth) % shape.gridHeight;
  let n = row / (shape.gridWidth * shape.gridHeight);
  for (let i = 0; i < count; i++) {
    const iy = gy * shape.step + offsetY;
    const ix = gx * shape.step + offsetX;
    let target = changetype<usize>(packed.at(<usize>(i * 4)));
    const stop = target + <usize>(channels * count) * 4;
    const next = <usize>count * 16;
    if (<u32>iy < <u32>shape.height && <u32>ix < <u32>shape.width) {
      const pixel = <usize>((n * shape.height + iy) * shape.width + ix);
      let source = changetype<usize>(x.at(pixel * shape.inStride + channel));
      for (; target < stop; target += next, source += 16) v128.store(target, v128.load(source));
    } else {
      for (; target < stop; target += next) v128.store(target, f32x4.splat(0));
    }
    if (++gx === shape.gridWidth) {
      gx = 0;
      if (++gy === shape.gridHeight) {
        gy = 0;
        n++;
      }
    }
  }
}

/** Panel j of dy for `count` rows, [count][8]. */
function packOutput(
  packed: F32,
  dy: F32,
  shape: ConvShape,
  phase: i32,
  j: i32,
  row: i32,
  count: i32,
): void {
  const phaseY = phase / shape.phases;
  const phaseX = phase % shape.phases;
  let gx = row % shape.gridWidth;
  let gy = (row / shape.gridWidth) % shape.gridHeight;
  let n = row / (shape.gridWidth * shape.gridHeight);
  for (let i = 0; i < count; i++) {
    const oy = gy * shape.outStep + phaseY;
    const ox = gx * shape.outStep + phaseX;
    const pixel = <usize>((n * shape.outHeight + oy) * shape.outWidth + ox);
    const source = dy.at(pixel * shape.outStride + <usize>(j * 8));
    packed.setLanes(<usize>(i * 8), source.lanes(0));
    packed.setLanes(<usize>(i * 8 + 4), source.lanes(4));
    if (++gx === shape.gridWidth) {
      gx = 0;
      if (++gy === shape.gridHeight) {
        gy = 0;
        n++;
      }
    }
  }
}
