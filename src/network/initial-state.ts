import { type CounterRandom, PURPOSE } from '../diffusion/random.js';
import type { Graph, Layer } from './graph.js';
import type { NetworkKind } from './network.js';
import { layerParameters } from './parameters.js';
import { elements, type StateDict, type Tensor } from './state.js';

/**
 * Fresh weights with PyTorch's default distributions: weight and bias of every convolution and linear layer uniform in
 * ±1/√fan_in (fan_in = inputs·k², for a transposed convolution outputs·k²), embeddings N(0, 1), norms the identity. A
 * tensor is a function of the seed and its index among the random ones.
 */
export function initialState({ layers }: Graph, random: CounterRandom): StateDict {
  const state = new Map<string, Tensor>();
  let index = 0;
  for (const layer of layers)
    for (const { name, shape } of layerParameters(layer)) {
      const count = elements(shape);
      const data = constant(layer, name, count) ?? draw(layer, random, index++, count);
      state.set(name, { dtype: 'F32', shape, data });
      if (layer.kind === 'batchNorm' && name.endsWith('.bias')) addBuffers(state, layer);
    }
  return state;
}

/**
 * What is zero so that each block begins as the identity, by network. Of a unet2d the last layers of residual blocks, of attention
 * and of the network (Dhariwal & Nichol, 2021). Of a dit the layers that make shifts, scales and gates, and the last one (adaLN-Zero:
 * Peebles & Xie, 2023, section 3.2); its branches keep their weights, or the gates would have no gradient.
 */
const ZEROED = {
  simple: null,
  unet2d: /(^|\.)(conv2|conv_out|to_out\.0)\.weight$/,
  dit: /(^|\.)(norm1\.linear|proj_out_1|proj_out_2)\.(weight|bias)$/,
} as const satisfies Record<NetworkKind, RegExp | null>;

/** Whether `withZeros` is for networks of this kind. */
export const hasZeros = (kind: NetworkKind): boolean => ZEROED[kind] !== null;

/** A state whose branches add nothing yet, and which predicts only its last bias. */
export const withZeros = (state: StateDict, kind: NetworkKind): StateDict =>
  new Map(
    [...state].map(([name, tensor]) =>
      ZEROED[kind]?.test(name) && tensor.dtype === 'F32'
        ? [name, { ...tensor, data: new Float32Array(tensor.data.length) }]
        : [name, tensor],
    ),
  );

/** A norm's scale of 1 and shift of 0. */
function constant({ kind }: Layer, name: string, count: number): Float32Array | undefined {
  if (kind !== 'batchNorm' && kind !== 'groupNorm') return undefined;
  return new Float32Array(count).fill(name.endsWith('.weight') ? 1 : 0);
}

function draw(layer: Layer, random: CounterRandom, index: number, count: number): Float32Array {
  if (layer.kind === 'embedding') return random.normals(PURPOSE.weights, index, 0, count);
  const bound = 1 / Math.sqrt(fanIn(layer));
  return random.uniform(PURPOSE.weights, index, count, -bound, bound);
}

function fanIn(layer: Layer): number {
  switch (layer.kind) {
    case 'conv':
      return layer.inputs * layer.kernel ** 2;
    case 'convTranspose':
      return layer.outputs * layer.kernel ** 2;
    case 'linear':
      return layer.inputs;
    case 'embedding':
    case 'batchNorm':
    case 'groupNorm':
      return 1;
    default:
      return layer satisfies never;
  }
}

function addBuffers(state: Map<string, Tensor>, { name, outputs }: Layer): void {
  const shape = [outputs];
  const zeros = new Float32Array(outputs);
  state.set(`${name}.running_mean`, { dtype: 'F32', shape, data: zeros });
  state.set(`${name}.running_var`, { dtype: 'F32', shape, data: zeros.slice().fill(1) });
  state.set(`${name}.num_batches_tracked`, { dtype: 'I64', shape: [], data: BigInt64Array.of(0n) });
}
