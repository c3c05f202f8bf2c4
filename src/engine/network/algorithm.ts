import { type ConvKind, inBlocks, type LayerConvolution } from '../convolution.js';
import type { View } from '../tensors.js';
import type * as winograd from '../winograd/algorithms.js';
import { type BackwardPlan, goesTogether, planBackward } from '../winograd/backward.js';
import { chooseWay, type ForwardPlan, planForward } from '../winograd/forward.js';
import {
  chooseGradientWay,
  type GradientPlan,
  planWeightGradient,
} from '../winograd/weight-gradient.js';

/**
 * Chooses Winograd's minimal filtering and its tiles for a layer. A function of the layer's shape alone, so
 * an image does not depend on its batch, nor any bit on measurements in this process.
 */

const KINDS: Record<Exclude<ConvKind, 'same1'>, winograd.ConvolutionKind> = {
  same3: 'conv',
  strided4: 'down',
  transposed4: 'up',
};

/** Weights (per tap) up to which transforming them costs little. */
const FEW_WEIGHTS = 2 ** 16;

/**
 * Large tiles save more products; small ones need fewer transformed weights and waste fewer pixels at the
 * edge. Fixed weights are read in transformed form, which at 4 x 4 pixels is most of the work for one picture.
 * @param fixed whether the weights are fixed (evaluation), or change with each step
 * @returns null for layers without a neighbourhood, which are matrix products
 */
export function chooseAlgorithm(
  c: LayerConvolution,
  fixed: boolean,
): winograd.WinogradAlgorithm | null {
  if (c.kind === 'same1') return null;
  const side = Math.min(c.input.height, c.output.height);
  const few = c.input.channels * c.output.channels <= FEW_WEIGHTS;
  if (c.kind === 'same3') return side >= (fixed && !few ? 8 : 4) ? 'F(4,3)' : 'F(2,3)';
  return side >= (few ? 4 : 8) ? 'F(4,2)' : 'F(2,2)';
}

/**
 * The plan of a forward convolution (or of a data gradient), or null for a matrix product. Weights that change with
 * each step may be transformed on the fly; the bits are the same either way.
 */
export function winogradForward(
  c: LayerConvolution,
  fixed: boolean,
  workers?: number,
): ForwardPlan | null {
  const described = describe(c, fixed);
  return described && planForward(described, chooseWay(described, !fixed), workers);
}

/** Whether the base of a layer's sum may be elsewhere in memory: a worker copies it for the pixels it has in its cache. */
export function addsInPassing(c: LayerConvolution, fixed: boolean, workers: number): boolean {
  const described = describe(c, fixed);
  return described ? chooseWay(described, !fixed) === 'blocks' : inBlocks(c, workers);
}

/** The plan of a weight gradient, or null. */
export function winogradGradient(c: LayerConvolution): GradientPlan | null {
  const described = describe(c, false);
  return described && planWeightGradient(described, chooseGradientWay(described));
}

/** The plan of both gradients at once, or null if they are computed separately. */
export function winogradBackward(c: LayerConvolution): BackwardPlan | null {
  const described = describe(c, false);
  return described && goesTogether(described) ? planBackward(described) : null;
}

function describe(c: LayerConvolution, fixed: boolean): winograd.TiledConvolution | null {
  const algorithm = chooseAlgorithm(c, fixed);
  if (!algorithm || c.kind === 'same1') return null;
  return {
    kind: KINDS[c.kind],
    algorithm,
    batch: c.batch,
    input: feature(c.input),
    output: feature(c.output),
  };
}

const feature = ({ height, width, channels, stride }: View): winograd.Feature => ({
  height,
  width,
  channels,
  pixel: stride,
});
