import {
  type ConvKind,
  type Convolution,
  gridRows,
  SCRATCH_FLOATS,
  TAPS,
} from '../../src/engine/convolution.js';
import type { View } from '../../src/engine/tensors.js';
import { type Bench, values } from './kernels.js';

/*
 * The four convolutions as plain sums in f64 from PyTorch's definitions, on the engine's tensors and weight panels:
 * what `conv`, `convWeightGradient` and `transposeWeights` are checked against.
 */

/** Side of the kernel, stride and padding of each kind. */
const GEOMETRY: Record<ConvKind, readonly [side: number, stride: number, padding: number]> = {
  same3: [3, 1, 1],
  same1: [1, 1, 0],
  strided4: [4, 2, 1],
  transposed4: [4, 2, 1],
};

export interface Case {
  readonly kind: ConvKind;
  readonly batch: number;
  /** Height and width of the input. */
  readonly size: readonly [number, number];
  readonly inputs: number;
  readonly outputs: number;
  /** Floats beyond the channels of a pixel, in x and y. */
  readonly gaps?: readonly [number, number];
}

/** The convolution of a case over tensors at x and y. */
export function convolution(c: Case, x: number, y: number): Convolution {
  const resize = (n: number) =>
    c.kind === 'strided4' ? Math.floor(n / 2) : c.kind === 'transposed4' ? 2 * n : n;
  const [height, width] = c.size;
  const view = (at: number, h: number, w: number, channels: number, gap = 0): View => ({
    at,
    height: h,
    width: w,
    channels,
    stride: channels + gap,
  });
  return {
    kind: c.kind,
    batch: c.batch,
    input: view(x, height, width, c.inputs, c.gaps?.[0]),
    output: view(y, resize(height), resize(width), c.outputs, c.gaps?.[1]),
  };
}

/** Floats of a tensor, gaps included. */
export const length = (view: View, batch: number): number =>
  batch * view.height * view.width * view.stride;

export const weightLength = (c: Case): number => TAPS[c.kind] * c.inputs * c.outputs;

/** Products behind one output element, at most. */
export const depth = (c: Case): number => (c.kind === 'transposed4' ? 4 : TAPS[c.kind]) * c.inputs;

/** Rows behind one weight. */
export const rows = (c: Case): number => gridRows(convolution(c, 0, 0));

/** Place of a weight in the panels W[co/8][tap][ci][8]; a transposed convolution keeps its taps by output phase. */
export function weightAt(c: Case, co: number, ky: number, kx: number, ci: number): number {
  // Output row 2i + p takes kernel rows 3, 1 for p = 0 (of the inputs i − 1, i) and 2, 0 for p = 1 (of i, i + 1).
  const phase = (k: number) => (k % 2 === 1 ? 0 : 1);
  const within = (k: number) => (k >= 2 ? 0 : 1);
  const tap =
    c.kind === 'transposed4'
      ? (phase(ky) * 2 + phase(kx)) * 4 + within(ky) * 2 + within(kx)
      : ky * GEOMETRY[c.kind][0] + kx;
  return ((Math.floor(co / 8) * TAPS[c.kind] + tap) * c.inputs + ci) * 8 + (co % 8);
}

/** Calls `visit` with the first float of the pixels of x and y that meet at a kernel element. */
function eachMeeting(c: Case, visit: (x: number, y: number, ky: number, kx: number) => void): void {
  const [side, stride, padding] = GEOMETRY[c.kind];
  const { input, output } = convolution(c, 0, 0);
  const up = c.kind === 'transposed4';
  const [wide, narrow] = up ? [output, input] : [input, output];
  const start = (view: View, n: number, y: number, x: number) =>
    ((n * view.height + y) * view.width + x) * view.stride;
  for (let n = 0; n < c.batch; n++)
    for (let row = 0; row < narrow.height; row++)
      for (let column = 0; column < narrow.width; column++)
        for (let ky = 0; ky < side; ky++)
          for (let kx = 0; kx < side; kx++) {
            const y = row * stride - padding + ky;
            const x = column * stride - padding + kx;
            if (y < 0 || x < 0 || y >= wide.height || x >= wide.width) continue;
            const atWide = start(wide, n, y, x);
            const atNarrow = start(narrow, n, row, column);
            if (up) visit(atNarrow, atWide, ky, kx);
            else visit(atWide, atNarrow, ky, kx);
          }
}

/** y = start + conv(x, w) in f64, on the channels of `start`; its gaps stay. */
export function convolve(
  c: Case,
  x: ArrayLike<number>,
  w: ArrayLike<number>,
  start: ArrayLike<number>,
): Float64Array {
  const y = Float64Array.from(start);
  eachMeeting(c, (atX, atY, ky, kx) => {
    for (let co = 0; co < c.outputs; co++) {
      const at = weightAt(c, co, ky, kx, 0);
      for (let ci = 0; ci < c.inputs; ci++) y[atY + co]! += x[atX + ci]! * w[at + 8 * ci]!;
    }
  });
  return y;
}

/** dW of Σ dy · conv(x, w) in f64. */
export function weightGradient(c: Case, x: ArrayLike<number>, dy: ArrayLike<number>): Float64Array {
  const dw = new Float64Array(weightLength(c));
  eachMeeting(c, (atX, atY, ky, kx) => {
    for (let co = 0; co < c.outputs; co++) {
      const at = weightAt(c, co, ky, kx, 0);
      for (let ci = 0; ci < c.inputs; ci++) dw[at + 8 * ci]! += x[atX + ci]! * dy[atY + co]!;
    }
  });
  return dw;
}

/** A case's tensors in a bench, with arbitrary values; y holds `fill` or values of its own. */
export function place(bench: Bench, c: Case, fill?: number) {
  const at = convolution(c, 0, 0);
  const x = values(length(at.input, c.batch), 1);
  const w = values(weightLength(c), 2);
  const y = values(length(at.output, c.batch), 3);
  if (fill !== undefined) y.fill(fill);
  return {
    ...{ x, w, y },
    convolution: convolution(c, bench.put(x), bench.put(y)),
    weights: bench.put(w),
    scratch: bench.alloc(4 * SCRATCH_FLOATS * bench.shares),
    placeShape: (words: Int32Array) => bench.put(words),
  };
}

/** Dot product in f64 over the channels of two tensors of one view. */
export function dot(view: View, batch: number, a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let pixel = 0; pixel < length(view, batch); pixel += view.stride)
    for (let i = pixel; i < pixel + view.channels; i++) sum += a[i]! * b[i]!;
  return sum;
}
