import { type Graph, inputsOf, type Layer, type Value } from './graph.js';
import { layerParameters } from './parameters.js';
import { elements } from './state.js';

/** A layer's parameters, and its operations for one image. */
export interface LayerCost {
  readonly layer: Layer;
  /** Size of its input and output in pixels; 0 for layers on vectors. */
  readonly inputSide: number;
  readonly outputSide: number;
  readonly parameters: number;
  /** Floating-point operations for one image; a multiply-add counts as two. */
  readonly forward: number;
  /** Forward, weight gradient and, if it is needed, input gradient. */
  readonly training: number;
}

/** The products of attention, which have no layer: of queries and keys, and with the values. */
export interface AttentionCost {
  /** The node's name. */
  readonly name: string;
  readonly side: number;
  readonly forward: number;
  readonly training: number;
}

/**
 * Parameters and operations of each layer for one image, in state_dict order. Only convolutions and linear layers are
 * counted; norms, activations and sums are well below a hundredth of them.
 */
export function layerCosts(graph: Graph): LayerCost[] {
  const uses = layerUses(graph);
  const depends = trainedValues(graph);
  return graph.layers.map((layer) => {
    const nodes = uses.get(layer.name) ?? [];
    const [first] = nodes;
    let forward = 0;
    let training = 0;
    for (const { x, out } of nodes) {
      const operations = forwardOperations(layer, x?.side ?? 0, out.side);
      forward += operations;
      training += (x && depends.has(x.id) ? 3 : 2) * operations;
    }
    return {
      layer,
      inputSide: first?.x?.side ?? 0,
      outputSide: first?.out.side ?? 0,
      parameters: layerParameters(layer).reduce((sum, { shape }) => sum + elements(shape), 0),
      forward,
      training,
    };
  });
}

/** The costs of attention, in execution order. */
export function attentionCosts({ nodes }: Graph): AttentionCost[] {
  return nodes.flatMap((node) => {
    if (node.op !== 'attention') return [];
    const { name, heads, headDim, out } = node;
    const forward = 4 * heads * headDim * out.side ** 4;
    return [{ name, side: out.side, forward, training: 3 * forward }];
  });
}

/** Operations of all layers and of attention for one image. */
export function networkCost(graph: Graph): { forward: number; training: number } {
  const all = [...layerCosts(graph), ...attentionCosts(graph)];
  const sum = (of: (cost: { forward: number; training: number }) => number) =>
    all.reduce((total, cost) => total + of(cost), 0);
  return { forward: sum((c) => c.forward), training: sum((c) => c.training) };
}

/** The nodes of each layer, with their inputs and outputs. */
function layerUses({ nodes }: Graph): Map<string, { x: Value | undefined; out: Value }[]> {
  const uses = new Map<string, { x: Value | undefined; out: Value }[]>();
  for (const node of nodes) {
    if (!('layer' in node)) continue;
    const use = { x: 'x' in node ? node.x : undefined, out: node.out };
    uses.set(node.layer.name, [...(uses.get(node.layer.name) ?? []), use]);
  }
  return uses;
}

/** Values that depend on parameters, whose gradient is therefore needed: not the image, nor sinusoids. */
export function trainedValues({ nodes }: Graph): Set<number> {
  const trained = new Set<number>();
  for (const node of nodes)
    if ('layer' in node || inputsOf(node).some(({ id }) => trained.has(id)))
      trained.add(node.out.id);
  return trained;
}

function forwardOperations(layer: Layer, inputSide: number, outputSide: number): number {
  switch (layer.kind) {
    case 'linear':
      return 2 * layer.inputs * layer.outputs * Math.max(1, inputSide) ** 2;
    case 'conv':
      return 2 * layer.inputs * layer.outputs * layer.kernel ** 2 * outputSide ** 2;
    case 'convTranspose':
      return 2 * layer.inputs * layer.outputs * layer.kernel ** 2 * inputSide ** 2;
    case 'embedding':
    case 'batchNorm':
    case 'groupNorm':
      return 0;
    default:
      return layer satisfies never;
  }
}
