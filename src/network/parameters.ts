import type { Graph, Layer } from './graph.js';
import { elements } from './state.js';

/** The tensors of a network in files: parameters, which are trained, and the buffers of batch norms. */

/** A tensor by its state_dict name, in PyTorch's layout. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: readonly number[];
}

/** PyTorch's shape of a layer's weight: convolutions OIHW, transposed ones IOHW. */
export function weightShape(l: Layer): number[] {
  switch (l.kind) {
    case 'linear':
      return l.patch === undefined
        ? [l.outputs, l.inputs]
        : [l.outputs, l.inputs / l.patch ** 2, l.patch, l.patch];
    case 'conv':
      return [l.outputs, l.inputs, l.kernel, l.kernel];
    case 'convTranspose':
      return [l.inputs, l.outputs, l.kernel, l.kernel];
    case 'embedding':
      return [l.classes, l.outputs];
    case 'batchNorm':
    case 'groupNorm':
      return [l.outputs];
    default:
      return l satisfies never;
  }
}

/** Whether a layer has a bias: embeddings have none, nor have convolutions that are declared so. */
const hasBias = (layer: Layer): boolean =>
  layer.kind !== 'embedding' && !('bias' in layer && !layer.bias);

/** Weight, and bias if there is one. */
export function layerParameters(layer: Layer): TensorSpec[] {
  const weight = { name: `${layer.name}.weight`, shape: weightShape(layer) };
  if (!hasBias(layer)) return [weight];
  return [weight, { name: `${layer.name}.bias`, shape: [layer.outputs] }];
}

/** All parameters, in state_dict order. */
export const parameters = ({ layers }: Graph): TensorSpec[] => layers.flatMap(layerParameters);

/** Every tensor of the state dict, parameters and buffers, in PyTorch's order. */
export function stateShapes({ layers }: Graph): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  for (const layer of layers) {
    for (const { name, shape } of layerParameters(layer)) shapes.set(name, shape);
    if (layer.kind !== 'batchNorm') continue;
    shapes.set(`${layer.name}.running_mean`, [layer.outputs]);
    shapes.set(`${layer.name}.running_var`, [layer.outputs]);
    shapes.set(`${layer.name}.num_batches_tracked`, []);
  }
  return shapes;
}

/** Number of trained parameters: weights and biases. 62,438,883 for the reference's widths. */
export const countParameters = (graph: Graph): number =>
  parameters(graph).reduce((sum, { shape }) => sum + elements(shape), 0);
