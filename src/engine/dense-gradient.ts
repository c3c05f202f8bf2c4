import { type Convolution, manyRows, rowsOf } from './convolution.js';
import type { Argument, Call, Phase } from './program.js';

/** Plans the weight gradients of 1x1 convolutions and linear layers: dW = Σ x ⊗ dy over the rows. */

/** What an item of `denseWeightsBlocks` takes of the inputs and outputs, and its scratch: as in assembly/dense-blocks.ts. */
const INPUTS = 128;
const PANELS = 8;
const SCRATCH = (INPUTS / 4) * (4 * 128 + 16) + PANELS * (8 * 128 + 16);

/** Items of a layer, as far as its rows go: enough to share out. And rows that a group has at least. */
const ITEMS = 32;
const GROUP_ROWS = 256;

export interface DenseGradientPlan {
  /** Bytes of scratch that all share, and of each worker. */
  readonly scratchBytes: number;
  readonly workerBytes: number;
  /** dw is overwritten with the gradient, in the layout of the weights. */
  phases(at: { dw: number; scratch: number; worker: Argument }): Phase[];
}

/**
 * Plans dW from a layer's input and the gradient of its output (`c.output` views the gradient). With few rows, or one panel of
 * outputs, each worker sums all rows for some of the weights.
 */
export function planDenseGradient(c: Convolution): DenseGradientPlan {
  const panels = c.output.channels / 8;
  if (manyRows(c) && panels > 1) return planGroups(c);
  const items = (c.input.channels / 4) * panels;
  const phases = ({ dw }: { dw: number }): Phase[] => [
    [{ kernel: 'denseWeights', args: [dw, ...operands(c)], items }],
  ];
  return { scratchBytes: 0, workerBytes: 0, phases };
}

/** Each worker sums groups of rows by itself, which are added up at the end. The groups are a function of the shape. */
function planGroups(c: Convolution): DenseGradientPlan {
  const rows = rowsOf(c);
  const blocks = Math.ceil(c.input.channels / INPUTS) * Math.ceil(c.output.channels / 8 / PANELS);
  const most = Math.floor(rows / GROUP_ROWS);
  const group = Math.ceil(rows / Math.min(most, Math.ceil(ITEMS / blocks)));
  const groups = Math.ceil(rows / group);
  const floats = c.input.channels * c.output.channels;
  const items = groups * blocks;
  const sums = (to: number, worker: Argument): Call => ({
    ...{ kernel: 'denseWeightsBlocks', args: [to, ...operands(c), group, worker], items },
  });
  const join = (dw: number, partial: number): Call => ({
    ...{ kernel: 'denseWeightsJoin', args: [dw, partial, groups, floats], items: floats / 4 },
  });
  return {
    scratchBytes: groups > 1 ? 4 * groups * floats : 0,
    workerBytes: 4 * SCRATCH,
    phases: ({ dw, scratch, worker }) =>
      groups > 1 ? [[sums(scratch, worker)], [join(dw, scratch)]] : [[sums(dw, worker)]],
  };
}

/** The arguments that the kernels have in common. */
const operands = (c: Convolution): number[] => [
  ...[c.input.at, c.input.stride, c.output.at, c.output.stride],
  ...[rowsOf(c), c.input.channels, c.output.channels / 8],
];
