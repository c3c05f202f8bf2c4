import type { Call } from './program.js';
import type { View } from './tensors.js';

/**
 * Plans convolutions as kernel calls. A data gradient is the adjoint convolution with transposed weights:
 * 3x3 and 1x1 are their own kind's, 4x4 stride 2 and its transpose are each other's.
 */
export type ConvKind = 'same3' | 'same1' | 'strided4' | 'transposed4';

const ADJOINT: Record<ConvKind, ConvKind> = {
  same3: 'same3',
  same1: 'same1',
  strided4: 'transposed4',
  transposed4: 'strided4',
};

/** How `transposeWeights` maps the taps: flipped, or between the strided and the transposed order. */
const TRANSPOSE_MODE: Record<ConvKind, number> = {
  same3: 0,
  same1: 0,
  strided4: 1,
  transposed4: 2,
};

/** Weights between one input and one output channel. */
export const TAPS: Record<ConvKind, number> = { same3: 9, same1: 1, strided4: 16, transposed4: 16 };

/** Taps along one axis of one phase, step of the grid in the input and in the output, offset, phases. */
const GEOMETRY: Record<ConvKind, readonly [number, number, number, number, number]> = {
  same3: [3, 1, 1, -1, 1],
  same1: [1, 1, 1, 0, 1],
  strided4: [4, 2, 1, -1, 1],
  transposed4: [2, 1, 2, -1, 2],
};

/** Floats of scratch a worker needs for `conv` and `convWeightGradient`. */
export const SCRATCH_FLOATS = 64 * 512 + 64;

const ROWS = 64;
/** Below this many items a layer is cut along its channels too, so that all workers have something to do. */
const MIN_ITEMS = 16;

export interface Convolution {
  readonly kind: ConvKind;
  readonly batch: number;
  readonly input: View;
  readonly output: View;
  readonly relu?: boolean;
  readonly accumulate?: boolean;
}

/** Puts a shape into shared memory (once, before the first run) and returns its address. */
export type PlaceShape = (words: Int32Array) => number;

/** Grid positions of one phase over the batch. */
export function gridRows({ kind, batch, input, output }: Convolution): number {
  const grid = kind === 'transposed4' ? input : output;
  return batch * grid.height * grid.width;
}

/** Multiply-adds of the forward pass. */
export function multiplyAdds(c: Convolution): number {
  return gridRows(c) * TAPS[c.kind] * c.input.channels * c.output.channels;
}

/** y = x ∗ W + bias. bias: address or 0. */
export function convCall(
  c: Convolution,
  weights: number,
  bias: number,
  place: PlaceShape,
  scratch: number,
): Call {
  const panels = c.output.channels / 8;
  const blocks = Math.ceil(gridRows(c) / ROWS) * GEOMETRY[c.kind][4] ** 2;
  const groups = Math.min(panels, Math.ceil(MIN_ITEMS / blocks));
  const panelsPerItem = Math.ceil(panels / groups);
  const shape = place(words(c, panelsPerItem, 0));
  return {
    kernel: 'conv',
    args: [c.output.at, c.input.at, weights, bias, shape, perWorker(scratch)],
    items: blocks * Math.ceil(panels / panelsPerItem),
  };
}

/** dW of the convolution from its input and the gradient of its output (`c.output` views the gradient). */
export function weightGradientCall(
  c: Convolution,
  dw: number,
  place: PlaceShape,
  scratch: number,
): Call {
  const taps = TAPS[c.kind];
  const channelsPerItem = Math.min(
    64,
    Math.max(8, 8 * Math.floor((c.input.channels * taps) / MIN_ITEMS / 8)),
  );
  const shape = place(words(c, 0, channelsPerItem));
  return {
    kernel: 'convWeightGradient',
    args: [dw, c.input.at, c.output.at, shape, perWorker(scratch)],
    items: taps * Math.ceil(c.input.channels / channelsPerItem),
  };
}

/** The convolution whose forward pass is this one's data gradient: from dy (`c.output`) to dx (`c.input`). */
export const adjoint = (c: Convolution, accumulate: boolean): Convolution => ({
  kind: ADJOINT[c.kind],
  batch: c.batch,
  input: c.output,
  output: c.input,
  accumulate,
});

/** Writes the adjoint's weights to `out`. */
export function transposeCall(c: Convolution, out: number, weights: number): Call {
  const taps = TAPS[c.kind];
  return {
    kernel: 'transposeWeights',
    args: [out, weights, taps, c.input.channels, c.output.channels, TRANSPOSE_MODE[c.kind]],
    items: taps * (c.input.channels / 8),
  };
}

const perWorker = (base: number) => ({ base, perWorker: SCRATCH_FLOATS * 4 });

function words(c: Convolution, panelsPerItem: number, channelsPerItem: number): Int32Array {
  const [taps, step, outStep, offset, phases] = GEOMETRY[c.kind];
  const { input, output } = c;
  const grid = c.kind === 'transposed4' ? input : output;
  return Int32Array.of(
    c.batch,
    input.height,
    input.width,
    input.channels,
    input.stride,
    grid.height,
    grid.width,
    output.height,
    output.width,
    output.channels,
    output.stride,
    taps,
    step,
    outStep,
    offset,
    phases,
    c.accumulate ? 1 : 0,
    c.relu ? 1 : 0,
    panelsPerItem,
    channelsPerItem,
  );
}
