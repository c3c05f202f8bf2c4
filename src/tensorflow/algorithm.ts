/**
 * Chooses the algorithm of each convolution: TensorFlow's own, or batched matrix products (`lowering.ts`), by an estimate
 * of the time each takes on a CPU. On a GPU, cuDNN makes its own choice.
 */
import type { Graph, NodeOf } from '../network/graph.js';
import {
  type ConvolutionGeometry,
  type ConvolutionMaps,
  convolutionOf,
  directConvolution,
} from './convolution.js';
import { loweredConvolution } from './lowered-convolution.js';
import { type Lowering, lowerConvolution, loweredSize, type Tile } from './lowering.js';
import type { Ops } from './ops.js';

/** A network of one batch size, which determines every shape. */
export interface NetworkShape {
  readonly graph: Graph;
  readonly batch: number;
}

/** The use of a convolution: one pass with fixed weights, or all three maps with changing weights. */
export type Use = 'prediction' | 'training';

/** How one convolution is computed. */
export type Algorithm = { readonly direct: ConvolutionGeometry } | { readonly lowered: Lowering };

export type ConvNode = NodeOf<'conv'>;

/** The algorithm of each convolution. */
export type ConvolutionPlan = ReadonlyMap<ConvNode, Algorithm>;

/** Chooses for every convolution of the network; `direct` uses TensorFlow's own for all. */
export function planConvolutions(shape: NetworkShape, use: Use, direct: boolean): ConvolutionPlan {
  return new Map(
    convolutions(shape).map(([node, c]): [ConvNode, Algorithm] => {
      const tile = direct ? null : chooseTile(c, use);
      return [node, tile === null ? { direct: c } : { lowered: lowerConvolution(c, tile) }];
    }),
  );
}

export const maps = <V>(ops: Ops<V>, algorithm: Algorithm): ConvolutionMaps<V> =>
  'direct' in algorithm
    ? directConvolution(ops, algorithm.direct)
    : loweredConvolution(ops, algorithm.lowered);

/** The network's convolutions, in execution order. */
export const convolutions = ({ graph, batch }: NetworkShape): [ConvNode, ConvolutionGeometry][] =>
  graph.nodes.flatMap((node): [ConvNode, ConvolutionGeometry][] =>
    node.op === 'conv' ? [[node, convolutionOf(node, batch)]] : [],
  );

/**
 * Nanoseconds per unit, fitted by least squares to the times of 134 convolutions (the U-Net's of three presets at batches
 * of 1 to 64) on two cores with AVX-512, with TensorFlow 2.21 and oneDNN. There the estimated choices take within 1 % of
 * the best choices' time, summed over each U-Net, except at batch 1 (9 %).
 */
const COSTS = {
  training: {
    direct: { call: 6e5, products: 0.026, weights: 4, images: 0.65 },
    lowered: { call: 8e5, products: 0.027, weights: 1.3, images: 2.3, rows: 1.25, results: 0.9 },
  },
  prediction: {
    direct: { call: 4e5, products: 0.0089, weights: 0.98, images: 0.04 },
    lowered: {
      call: 5e5,
      products: 0.0102,
      weights: 0.24,
      images: 1.25,
      rows: 0.02,
      results: 0.41,
    },
  },
} as const;

/** The fastest tile by the estimate, or null for TensorFlow's own convolution. */
export function chooseTile(c: ConvolutionGeometry, use: Use): Tile | null {
  if (!lowers(c)) return null;
  const side = c.side / c.stride;
  const tiles = ([4, 2, 0] as const).filter((tile) => tile === 0 || side % tile === 0);
  const choices = [
    { tile: null, cost: directCost(c, use) },
    ...tiles.map((tile) => ({ tile, cost: loweredCost(c, tile, use) })),
  ];
  return choices.reduce((best, next) => (next.cost < best.cost ? next : best)).tile;
}

/** Whether products can compute it: 3x3 with stride 1, or 4x4 with stride 2 on even sides, with padding 1. */
const lowers = ({ side, kernel, stride, padding }: ConvolutionGeometry): boolean =>
  ((kernel === 3 && stride === 1) || (kernel === 4 && stride === 2 && side % 2 === 0)) &&
  padding.every((pixels) => pixels === 1);

/** Values in x and y. */
const images = (c: ConvolutionGeometry) =>
  c.batch * (c.side ** 2 * c.inputs + (c.side / c.stride) ** 2 * c.outputs);

function directCost(c: ConvolutionGeometry, use: Use): number {
  const cost = COSTS[use].direct;
  const weights = c.kernel ** 2 * c.inputs * c.outputs;
  const products = c.batch * (c.side / c.stride) ** 2 * weights;
  return cost.call + cost.products * products + cost.weights * weights + cost.images * images(c);
}

function loweredCost(c: ConvolutionGeometry, tile: Tile, use: Use): number {
  const cost = COSTS[use].lowered;
  const { points, rows, pixels } = loweredSize(c, tile);
  const depth = pixels * c.inputs;
  return (
    cost.call +
    cost.products * points * rows * depth * c.outputs +
    cost.weights * points * depth * c.outputs +
    cost.images * images(c) +
    cost.rows * points * rows * depth +
    (tile === 0 ? 0 : cost.results * points * rows * c.outputs)
  );
}
