import { ConvShape } from './conv-shape';
import { F32 } from './f32';
import { tile } from './gemm';
import { U32 } from './u32';

/** Grid rows one item packs and multiplies: 64 rows of 512 k are 128 KiB, which stays in L2. */
const ROWS: i32 = 64;
/** Depth of one packed block; constant, since it sets where partial sums are rounded to memory. */
const DEPTH: i32 = 512;

/** Scratch, per worker, in floats: the packed rows, then their 64 output addresses. */
const ADDRESSES: usize = <usize>(ROWS * DEPTH);

/**
 * Convolution as implicit matrix multiplication: y[r, co] = bias[co] + Σ_{tap, ci} x[r ⊕ tap, ci] · W[tap, ci, co].
 * See ConvShape for layouts. bias: f32[outputs] or null. scratch: 32,832 floats of this worker.
 * Items: phase × block of 64 grid rows × group of `panelsPerItem` panels. Each output is summed in one order:
 * depth rises, rounded to memory every 512.
 */
export function conv(
  y: F32,
  x: F32,
  w: F32,
  bias: F32,
  shape: ConvShape,
  scratch: F32,
  begin: i32,
  end: i32,
): void {
  const rows = shape.rows();
  const blocks = (rows + ROWS - 1) / ROWS;
  const panels = shape.outputs >> 3;
  const groups = (panels + shape.panelsPerItem - 1) / shape.panelsPerItem;
  for (let item = begin; item < end; item++) {
    const group = item % groups;
    const block = (item / groups) % blocks;
    const phase = item / (groups * blocks);
    const first = group * shape.panelsPerItem;
    multiply(
      y,
      x,
      w,
      bias,
      shape,
      scratch,
      phase,
      block * ROWS,
      min(ROWS, rows - block * ROWS),
      first,
      min(first + shape.panelsPerItem, panels),
    );
  }
}

/** Rows [row, row + count) of one phase times panels [first, last). */
function multiply(
  y: F32,
  x: F32,
  w: F32,
  bias: F32,
  shape: ConvShape,
  scratch: F32,
  phase: i32,
  row: i32,
  count: i32,
  first: i32,
  last: i32,
): void {
  const depth = shape.depth();
  const panelSize = <usize>depth * 8;
  const phases = shape.phases * shape.phases;
  const quads = (count + 3) >> 2;
  const addresses = changetype<U32>(scratch.at(ADDRESSES));
  outputAddresses(addresses, y, shape, phase, row, count);
  for (let k = 0; k < depth; k += DEPTH) {
    const length = min(DEPTH, depth - k);
    pack(scratch, x, shape, phase, row, count, k, length);
    const add = k > 0 || shape.accumulate !== 0;
    const relu = shape.relu !== 0 && k + length === depth;
    for (let j = first; j < last; j++) {
      const b = w.at((<usize>j * phases + phase) * panelSize + <usize>k * 8);
      const start = changetype<usize>(bias) ? bias.at(<usize>j * 8) : bias;
      const column = <usize>j * 8;
      for (let i = 0; i < quads; i++) {
        tile(
          changetype<F32>(<usize>addresses[i * 4]).at(column),
          changetype<F32>(<usize>addresses[i * 4 + 1]).at(column),
          changetype<F32>(<usize>addresses[i * 4 + 2]).at(column),
          changetype<F32>(<usize>addresses[i * 4 + 3]).at(column),
          scratch.at(<usize>(i * 4 * length)),
          b,
          length,
          start,
          add,
          relu,
        );
      }
    }
  }
}

/**
 * Addresses of the output pixels of the rows. Up to a whole quad the last row stands again (here and in
 * `pack`): it is computed more than once, with the same bits, rather than guarded against.
 */
function outputAddresses(
  addresses: U32,
  y: F32,
  shape: ConvShape,
  phase: i32,
  row: i32,
  count: i32,
): void {
  const phaseY = phase / shape.phases;
  const phaseX = phase % shape.phases;
  let gx = row % shape.gridWidth;
  let gy = (row / shape.gridWidth) % shape.gridHeight;
  let n = row / (shape.gridWidth * shape.gridHeight);
  for (let i = 0; i < ((count + 3) & ~3); i++) {
    const oy = gy * shape.outStep + phaseY;
    const ox = gx * shape.outStep + phaseX;
    const pixel = <usize>((n * shape.outHeight + oy) * shape.outWidth + ox);
    addresses[i] = <u32>changetype<usize>(y.at(pixel * shape.outStride));
    if (i < count - 1 && ++gx === shape.gridWidth) {
      gx = 0;
      if (++gy === shape.gridHeight) {
        gy = 0;
        n++;
      }
    }
  }
}

/**
 * Packs rows × [k, k + length) into [row/4][length/4][4 rows][4 k]; what lies outside the image is zero.
 */
function pack(
  packed: F32,
  x: F32,
  shape: ConvShape,
  phase: i32,
  row: i32,
  count: i32,
  k: i32,
  length: i32,
): void {
  const inputs = shape.inputs;
  const offsetY = shape.offset + phase / shape.phases;
  const offsetX = shape.offset + (phase % shape.phases);
  let gx = row % shape.gridWidth;
  let gy = (row / shape.gridWidth) % shape.gridHeight;
  let n = row / (shape.gridWidth * shape.gridHeight);
  for (let i = 0; i < ((count + 3) & ~3); i++) {
    let target = changetype<usize>(packed.at(<usize>((i >> 2) * 4 * length + (i & 3) * 4)));
    let tap = k / inputs;
    let channel = k % inputs;
    let left = length;
    while (left > 0) {
      const run = min(inputs - channel, left);
      const iy = gy * shape.step + offsetY + tap / shape.taps;
      const ix = gx * shape.step + offsetX + (tap % shape.taps);
      const stop = target + <usize>run * 16;
      if (<u32>iy < <u32>shape.height && <u32>ix < <u32>shape.width) {
        const pixel = <usize>((n * shape.height + iy) * shape.width + ix);
        let source = changetype<usize>(x.at(pixel * shape.inStride + channel));
        for (; target < stop; target += 64, source += 16) v128.store(target, v128.load(source));
      } else {
        for (; target < stop; target += 64) v128.store(target, f32x4.splat(0));
      }
      left -= run;
      channel = 0;
      tap++;
    }
    if (i < count - 1 && ++gx === shape.gridWidth) {
      gx = 0;
      if (++gy === shape.gridHeight) {
        gy = 0;
        n++;
      }
    }
  }
}
