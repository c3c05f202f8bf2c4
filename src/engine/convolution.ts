import {
  ACCUMULATE,
  DENSE_PANELS,
  DENSE_ROWS,
  FLIP,
  FROM_TRANSPOSED,
  RELU,
  TO_TRANSPOSED,
} from '../../assembly/constants.js';
import { NULL, type Pointer } from './pointer.js';
import { type Address, type Call, call, tuple } from './program.js';
import { pixels, strided, type View } from './tensors.js';

/**
 * The layers that multiply: their inputs and outputs, and the kernel calls of those without a neighbourhood. A
 * data gradient is the adjoint layer with transposed weights: 3x3 and 1x1 are adjoint to their own kind, 4x4 stride 2 and its
 * transpose to each other.
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
  same3: FLIP,
  same1: FLIP,
  strided4: TO_TRANSPOSED,
  transposed4: FROM_TRANSPOSED,
};

/** Weights between one input and one output channel. */
export const TAPS: Record<ConvKind, number> = { same3: 9, same1: 1, strided4: 16, transposed4: 16 };

/** Rows from which processing them in blocks always pays off, and from which it does if each worker has several blocks. */
const MANY_ROWS = 1024;
const SOME_ROWS = 128;
const SEVERAL = 4;

export interface LayerConvolution {
  readonly kind: ConvKind;
  readonly batch: number;
  readonly input: View;
  readonly output: View;
  readonly relu?: boolean;
  readonly accumulate?: boolean;
  /** What is added to the output, if it is elsewhere in memory; see `addsInPassing`. */
  readonly base?: View | undefined;
}

export const rowsOf = ({ batch, input }: LayerConvolution): number =>
  batch * input.height * input.width;

/** Whether a layer without a neighbourhood has so many rows that a worker loads them into its cache in blocks. */
export const manyRows = (c: LayerConvolution): boolean =>
  pixels(c.input) > 1 && rowsOf(c) >= MANY_ROWS;

/** Blocks of rows and panels. */
const blocksOf = (c: LayerConvolution): number =>
  Math.ceil(rowsOf(c) / DENSE_ROWS) * Math.ceil(c.output.channels / 8 / DENSE_PANELS);

/** Whether `denseCall` processes a layer in blocks. The bits are the same either way. */
export const inBlocks = (c: LayerConvolution, workers: number): boolean =>
  manyRows(c) ||
  (pixels(c.input) > 1 && rowsOf(c) >= SOME_ROWS && blocksOf(c) >= SEVERAL * workers);

/** Bytes of scratch that each worker needs for `denseCall`. */
export const denseScratch = (c: LayerConvolution, workers: number): number =>
  inBlocks(c, workers) ? 4 * DENSE_ROWS * (c.input.channels + 8) : 0;

/** y = x · W + bias of a 1x1 convolution or linear layer. bias: address or 0. worker: each worker's `denseScratch`. */
export function denseCall(
  c: LayerConvolution,
  workers: number,
  weights: Pointer,
  bias: Pointer,
  worker: Address,
): Call {
  const { input, output } = c;
  const rows = rowsOf(c);
  const panels = output.channels / 8;
  const flags = (c.accumulate ? ACCUMULATE : 0) | (c.relu ? RELU : 0);
  const to = strided(output);
  const args = tuple(...strided(input), weights, bias, rows, input.channels, panels, flags);
  if (!inBlocks(c, workers)) return call('dense', [...to, ...args], Math.ceil(rows / 4) * panels);
  const base = c.base ? strided(c.base) : tuple(NULL, 0);
  return call('denseBlocks', [...to, ...base, ...args, worker], blocksOf(c));
}

/** The layer whose forward pass is this layer's data gradient: from dy (`c.output`) to dx (`c.input`). */
export const adjoint = (c: LayerConvolution, accumulate: boolean): LayerConvolution => ({
  kind: ADJOINT[c.kind],
  batch: c.batch,
  input: c.output,
  output: c.input,
  accumulate,
});

/** Writes the adjoint's weights to `out`. */
export function transposeCall(c: LayerConvolution, out: Pointer, weights: Pointer): Call {
  const taps = TAPS[c.kind];
  return call(
    'transposeWeights',
    [out, weights, taps, c.input.channels, c.output.channels, TRANSPOSE_MODE[c.kind]],
    taps * (c.input.channels / 8),
  );
}
