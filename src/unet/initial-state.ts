import { type CounterRandom, PURPOSE } from '../diffusion/random.js';
import { type Architecture, layers, weightShape } from './architecture.js';
import { elements, type StateDict, type Tensor } from './state.js';

/**
 * Fresh weights, distributed as PyTorch's defaults: weight and bias of every convolution and linear layer uniform in
 * ±1/√fan_in (fan_in = inputs·k², for a transposed convolution outputs·k²), norms the identity. A tensor is a
 * function of the seed and its place in the state dict.
 */
export function initialState(architecture: Architecture, random: CounterRandom): StateDict {
  const state = new Map<string, Tensor>();
  const f32 = (name: string, shape: number[], data: Float32Array) =>
    state.set(name, { dtype: 'F32', shape, data });
  let index = 0;
  for (const layer of layers(architecture)) {
    const shape = weightShape(layer);
    const bias = [layer.outputs];
    if (layer.kind === 'batchNorm') {
      f32(`${layer.name}.weight`, shape, new Float32Array(layer.outputs).fill(1));
      f32(`${layer.name}.bias`, bias, new Float32Array(layer.outputs));
      f32(`${layer.name}.running_mean`, bias, new Float32Array(layer.outputs));
      f32(`${layer.name}.running_var`, bias, new Float32Array(layer.outputs).fill(1));
      const data = BigInt64Array.of(0n);
      state.set(`${layer.name}.num_batches_tracked`, { dtype: 'I64', shape: [], data });
      continue;
    }
    const fan = layer.kind === 'convTranspose' ? layer.outputs : layer.inputs;
    const bound = 1 / Math.sqrt(fan * layer.kernel ** 2);
    const draw = (count: number) => random.uniform(PURPOSE.weights, index++, count, -bound, bound);
    f32(`${layer.name}.weight`, shape, draw(elements(shape)));
    f32(`${layer.name}.bias`, bias, draw(layer.outputs));
  }
  return state;
}
