/**
 * Which algorithm computes each convolution: TensorFlow's own, or batched matrix products (`lowering.ts`), by an estimate
 * of the time each takes on a CPU. A GPU has its own choice to make, in cuDNN.
 */
import { layerCosts } from '../network/cost.js';
import { buildNetwork } from '../network/network.js';
import { type Convolution, type ConvolutionMaps, directConvolution } from './convolution.js';
import { loweredConvolution } from './lowered-convolution.js';
import { type Lowering, lowerConvolution, loweredSize, type Tile } from './lowering.js';
import type { Ops } from './ops.js';
import type { UnetShape } from './unet.js';

/** What a convolution is needed for: one pass with weights that stay, or all three maps with weights that change. */
export type Use = 'prediction' | 'training';

/** How one convolution is computed. */
export type Algorithm = { readonly direct: Convolution } | { readonly lowered: Lowering };

/** Algorithms by layer, e.g. `downs.0.conv1`. */
export type Plan = ReadonlyMap<string, Algorithm>;

/** Chooses for every convolution of the U-Net; `direct` is TensorFlow's own for all. */
export function planConvolutions(shape: UnetShape, use: Use, direct: boolean): Plan {
  return new Map(
    convolutions(shape).map(([name, c]): [string, Algorithm] => {
      const tile = direct ? null : chooseTile(c, use);
      return [name, tile === null ? { direct: c } : { lowered: lowerConvolution(c, tile) }];
    }),
  );
}

export const maps = <V>(ops: Ops<V>, algorithm: Algorithm): ConvolutionMaps<V> =>
  'direct' in algorithm
    ? directConvolution(ops, algorithm.direct)
    : loweredConvolution(ops, algorithm.lowered);

/** The U-Net's convolutions by layer. */
export function convolutions({ architecture, size, batch }: UnetShape): [string, Convolution][] {
  return layerCosts(buildNetwork(architecture, size)).flatMap(
    ({ layer, inputSide, outputSide }) => {
      if (layer.kind !== 'conv' && layer.kind !== 'convTranspose') return [];
      const { name, kind, inputs, outputs, kernel, stride } = layer;
      const rest = { batch, side: Math.max(inputSide, outputSide), kernel, stride };
      if (kind === 'conv') return [[name, { ...rest, inputs, outputs }]];
      return [[name, { ...rest, inputs: outputs, outputs: inputs }]];
    },
  );
}

/**
 * Nanoseconds a piece, fitted by least squares to the times of 134 convolutions (the U-Net's of three presets at batches
 * of 1 to 64) on two cores with AVX-512, with TensorFlow 2.21 and oneDNN. What the estimates choose takes within 1 % of
 * the best choice's time there, summed over each U-Net, but at batch 1 (9 %).
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
export function chooseTile(c: Convolution, use: Use): Tile | null {
  if (c.kernel === 1) return null;
  const side = c.side / c.stride;
  const tiles = ([4, 2, 0] as const).filter((tile) => tile === 0 || side % tile === 0);
  const choices = [
    { tile: null, cost: directCost(c, use) },
    ...tiles.map((tile) => ({ tile, cost: loweredCost(c, tile, use) })),
  ];
  return choices.reduce((best, next) => (next.cost < best.cost ? next : best)).tile;
}

/** Values in x and y. */
const images = (c: Convolution) =>
  c.batch * (c.side ** 2 * c.inputs + (c.side / c.stride) ** 2 * c.outputs);

function directCost(c: Convolution, use: Use): number {
  const cost = COSTS[use].direct;
  const weights = c.kernel ** 2 * c.inputs * c.outputs;
  const products = c.batch * (c.side / c.stride) ** 2 * weights;
  return cost.call + cost.products * products + cost.weights * weights + cost.images * images(c);
}

function loweredCost(c: Convolution, tile: Tile, use: Use): number {
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
