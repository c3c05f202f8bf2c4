/** Opens any graph on the chosen device. TensorFlow is loaded only if it is requested. */
import { kernelsOf, threadCount } from '../config/computing.js';
import type { ComputingConfig, DeviceChoice } from '../config/config.js';
import type { NetworkDevice } from '../contracts/device.js';
import { Engine } from '../engine/engine.js';
import type { Graph } from '../network/graph.js';
import { type EngineUse, type GraphUse, openOnEngine, UNTIMED } from './untimed-graph.js';

export { noTimes } from './untimed-graph.js';

/** A network and its memory in bytes (an estimate on TensorFlow). */
export interface OpenGraph {
  readonly network: NetworkDevice;
  readonly memoryBytes: number;
}

/**
 * Opens a graph that reads no timesteps.
 * @throws UsageError if it does not fit, or TensorFlow is not set up
 */
export async function openGraph(
  device: DeviceChoice['device'],
  computing: ComputingConfig,
  graph: Graph,
  use: GraphUse,
): Promise<OpenGraph> {
  if (device === 'tensorflow') {
    const { createTensorflowGraph } = await import('../tensorflow/network-device.js');
    const { estimateGraph } = await import('../tensorflow/memory.js');
    const options = { ...use, ...UNTIMED, eager: computing.eager };
    const network = await createTensorflowGraph(graph, options);
    const kind = (use.training ?? true) ? 'training' : 'prediction';
    return { network, memoryBytes: estimateGraph(graph, use.batch, kind, use.ema?.length) };
  }
  const network = openOnEngine(graph, use, engineUse(computing));
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
  return `wasm (${Engine.describe(engineUse(computing))})`;
}

const engineUse = (computing: ComputingConfig): EngineUse => ({
  ...kernelsOf(computing),
  threads: threadCount(computing),
});
