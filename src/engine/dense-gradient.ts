import {
  DENSE_GRADIENT_INPUTS as INPUTS,
  DENSE_GRADIENT_PANELS as PANELS,
  DENSE_GRADIENT_SCRATCH as SCRATCH,
} from '../../assembly/constants.js';
import { type LayerConvolution, manyRows, rowsOf } from './convolution.js';
import type { Pointer } from './pointer.js';
import { type Address, type Call, call, type Phase, tuple } from './program.js';
import { strided } from './tensors.js';

/** Plans the weight gradients of 1x1 convolutions and linear layers: dW = Σ x ⊗ dy over the rows. */

/** Items of a layer, if it has enough rows, so that they can be shared out; and the fewest rows of a group. */
const ITEMS = 32;
const GROUP_ROWS = 256;

export interface DenseGradientPlan {
  /** Bytes of scratch that all workers share, and that each has. */
  readonly scratchBytes: number;
  readonly workerBytes: number;
  /** Overwrites dw with the gradient, in the layout of the weights. */
  phases(at: { dw: Pointer; scratch: Pointer; worker: Address }): Phase[];
}

/**
 * Plans dW from a layer's input and the gradient of its output (`c.output` views the gradient). With few rows, or one panel of
 * outputs, each worker sums all rows for some of the weights.
 */
export function planDenseGradient(c: LayerConvolution): DenseGradientPlan {
  const panels = c.output.channels / 8;
  if (manyRows(c) && panels > 1) return planGroups(c);
  const items = (c.input.channels / 4) * panels;
  const phases = ({ dw }: { dw: Pointer }): Phase[] => [
    [call('denseWeights', [dw, ...operands(c)], items)],
  ];
  return { scratchBytes: 0, workerBytes: 0, phases };
}

/** Each worker sums groups of rows, which are added up at the end. The groups are a function of the shape. */
function planGroups(c: LayerConvolution): DenseGradientPlan {
  const rows = rowsOf(c);
  const blocks = Math.ceil(c.input.channels / INPUTS) * Math.ceil(c.output.channels / 8 / PANELS);
  const most = Math.floor(rows / GROUP_ROWS);
  const group = Math.ceil(rows / Math.min(most, Math.ceil(ITEMS / blocks)));
  const groups = Math.ceil(rows / group);
  const floats = c.input.channels * c.output.channels;
  const items = groups * blocks;
  const sums = (to: Pointer, worker: Address): Call =>
    call('denseWeightsBlocks', [to, ...operands(c), group, worker], items);
  const join = (dw: Pointer, partial: Pointer): Call =>
    call('denseWeightsJoin', [dw, partial, groups, floats], floats / 4);
  return {
    scratchBytes: groups > 1 ? 4 * groups * floats : 0,
    workerBytes: 4 * SCRATCH,
    phases: ({ dw, scratch, worker }) =>
      groups > 1 ? [[sums(scratch, worker)], [join(dw, scratch)]] : [[sums(dw, worker)]],
  };
}

/** The arguments common to the kernels. */
const operands = (c: LayerConvolution) =>
  tuple(
    ...tuple(...strided(c.input), ...strided(c.output)),
    ...tuple(rowsOf(c), c.input.channels, c.output.channels / 8),
  );
