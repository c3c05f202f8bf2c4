import type { ExecutionContext } from 'ava';
import type { NetworkInput } from '../../src/contracts/device.js';
import { WasmNetwork, type WasmNetworkOptions } from '../../src/engine/network/wasm-network.js';
import { buildNetwork, type NetworkConfig } from '../../src/network/network.js';
import { stateShapes } from '../../src/network/parameters.js';
import { elements, type StateDict, type Tensor } from '../../src/network/state.js';

import { bits, values } from './kernels.js';

/** A U-Net of two workers that is disposed of when the test ends. */
export function unetOf(
  t: ExecutionContext,
  options: Pick<WasmNetworkOptions, 'architecture' | 'size' | 'batch'> &
    Partial<WasmNetworkOptions>,
): WasmNetwork {
  const { network: unet } = WasmNetwork.create({ timesteps: 300, threads: 2, ...options });
  t.teardown(() => unet.dispose());
  return unet;
}

/** A state with small arbitrary weights, norms near the identity and running statistics of a batch. */
export function arbitraryState(architecture: NetworkConfig, seed = 1): StateDict {
  const state = new Map<string, Tensor>();
  for (const [name, shape] of stateShapes(buildNetwork(architecture))) {
    if (name.endsWith('num_batches_tracked')) {
      state.set(name, { dtype: 'I64', shape, data: BigInt64Array.of(3n) });
      continue;
    }
    const one = /(bnorm\d?\.weight|running_var)$/.test(name) ? 1 : 0;
    const scale = 1.7 / Math.sqrt(elements(shape.slice(1)));
    const small = one || /bnorm/.test(name) ? 0.3 : scale;
    const data = values(elements(shape), seed + state.size).map((v) => one + small * v);
    state.set(name, { dtype: 'F32', shape, data });
  }
  return state;
}

/** x_t, t and ε for a batch; an image depends on its number alone. */
export function arbitraryInput(
  { channels }: Pick<NetworkConfig, 'channels'>,
  size: number,
  images: readonly number[],
): NetworkInput & { noise: Float32Array } {
  const each = size * size * channels;
  const draw = (seed: number) =>
    Float32Array.from(images.flatMap((n) => [...values(each, seed + 2 * n)].map((v) => 1.7 * v)));
  return { xt: draw(11), noise: draw(12), t: Int32Array.from(images, (n) => (n * 37) % 300) };
}

/** Asserts that two states hold the same tensors bit for bit; a failure names the first that differs. */
export function sameState(
  t: ExecutionContext,
  got: StateDict,
  expected: StateDict,
  what = 'state',
): void {
  t.deepEqual([...got.keys()].sort(), [...expected.keys()].sort(), what);
  for (const [name, tensor] of expected) {
    const other = got.get(name)!;
    t.deepEqual([other.dtype, other.shape], [tensor.dtype, tensor.shape], `${what}: ${name}`);
    t.true(bits(other.data).equals(bits(tensor.data)), `${what}: bits of ${name}`);
  }
}
