/** Opens any graph on the chosen device. TensorFlow is loaded only if it is requested. */
import { kernelsOf, threadCount } from '../config/computing.js';
import type { ComputingConfig, DeviceChoice } from '../config/config.js';
import type { NetworkDevice, NetworkOptions } from '../contracts/device.js';
import type { Demand } from '../engine/arena.js';
import { Engine } from '../engine/engine.js';
import { WasmNetwork } from '../engine/network/wasm-network.js';
import type { Graph } from '../network/graph.js';

export interface GraphUse
  extends Omit<NetworkOptions, 'architecture' | 'size' | 'timesteps'>,
    Pick<Demand, 'reserve'> {}

/** A network and its memory in bytes (an estimate on TensorFlow). */
export interface OpenGraph {
  readonly network: NetworkDevice;
  readonly memoryBytes: number;
}

/**
 * Opens a graph that reads no timesteps: the ones that devices ask for are 0.
 * @throws UsageError if it does not fit, or TensorFlow is not set up
 */
export async function openGraph(
  device: DeviceChoice['device'],
  computing: ComputingConfig,
  graph: Graph,
  use: GraphUse,
): Promise<OpenGraph> {
  const options = { ...use, timesteps: 1 };
  if (device === 'tensorflow') {
    const { createTensorflowGraph } = await import('../tensorflow/network-device.js');
    const { estimateGraph } = await import('../tensorflow/memory.js');
    const network = await createTensorflowGraph(graph, { ...options, eager: computing.eager });
    const kind = (use.training ?? true) ? 'training' : 'prediction';
    return { network, memoryBytes: estimateGraph(graph, use.batch, kind, use.ema?.length) };
  }
  const { network } = WasmNetwork.create({
    ...{ graph, ...options, ...kernelsOf(computing) },
    threads: threadCount(computing),
  });
  return { network, memoryBytes: network.engine.memory.buffer.byteLength };
}

/** `NetworkDevice.description` before there is a network. */
export async function describeDevice(
  device: DeviceChoice['device'],
  computing: ComputingConfig,
): Promise<string> {
  if (device === 'tensorflow') {
    const { describeTensorflow } = await import('../tensorflow/network-device.js');
    return describeTensorflow(computing.eager);
  }
  return `wasm (${Engine.describe({ ...kernelsOf(computing), threads: threadCount(computing) })})`;
}

/** The timesteps of a batch for a graph that reads none. */
export const noTimes = (batch: number): Int32Array => new Int32Array(batch);
