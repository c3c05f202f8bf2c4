import type { ExecutionContext } from 'ava';
import type { NetworkDevice, NetworkOptions } from '../../src/contracts/device.js';
import { WasmNetwork } from '../../src/engine/network/wasm-network.js';
import type { Graph } from '../../src/network/graph.js';
import { createTensorflowGraph } from '../../src/tensorflow/network-device.js';

export type GraphOptions = Omit<NetworkOptions, 'architecture' | 'size'> & {
  readonly threads?: number;
};

/** A graph on one of the devices, disposed of when the test ends. */
export async function openGraph(
  t: ExecutionContext,
  device: 'wasm' | 'tensorflow',
  graph: Graph,
  { threads = 2, ...options }: GraphOptions,
): Promise<NetworkDevice> {
  const network =
    device === 'wasm'
      ? WasmNetwork.create({ graph, threads, ...options }).network
      : await createTensorflowGraph(graph, options);
  t.teardown(() => network.dispose());
  return network;
}
