/** Opens the chosen device. TensorFlow is loaded only if it is requested. */
import { kernelsOf, threadCount } from '../config/computing.js';
import type { ComputingConfig, DeviceChoice } from '../config/config.js';
import type { NetworkDevice, NetworkOptions } from '../contracts/device.js';
import type { Demand } from '../engine/arena.js';
import { Arithmetic } from '../engine/arithmetic.js';
import { WasmNetwork } from '../engine/network/wasm-network.js';

export interface UnetOptions extends NetworkOptions, Pick<Demand, 'reserve'> {}

/** A U-Net and its memory in bytes (an estimate on TensorFlow). */
export interface OpenUnet {
  readonly unet: NetworkDevice;
  readonly memoryBytes: number;
}

/** @throws UsageError if it does not fit, or TensorFlow is not set up */
export async function openUnet(
  device: DeviceChoice['device'],
  computing: ComputingConfig,
  options: UnetOptions,
): Promise<OpenUnet> {
  if (device === 'tensorflow') {
    const { createTensorflowNetwork } = await import('../tensorflow/network-device.js');
    const { estimateMemory } = await import('../tensorflow/memory.js');
    const { loadTensorflow } = await import('../tensorflow/load.js');
    const unet = await createTensorflowNetwork({ ...options, eager: computing.eager });
    const { gpu } = await loadTensorflow();
    const use = options.training ? 'training' : 'prediction';
    return { unet, memoryBytes: estimateMemory(options, use, gpu) };
  }
  const { network: unet } = WasmNetwork.create({
    ...options,
    ...kernelsOf(computing),
    threads: threadCount(computing),
  });
  return { unet, memoryBytes: unet.engine.memory.buffer.byteLength };
}

/** The operations that both arithmetics support. */
export type AnyArithmetic = Pick<
  Arithmetic,
  'qSample' | 'qSampleImages' | 'reverseStep' | 'toFloat' | 'toBytes' | 'batchToFloat'
>;

/** The arithmetic around the U-Net, on typed arrays. @throws UsageError if TensorFlow is not set up */
export async function openArithmetic({
  arithmetic,
  strict,
}: ComputingConfig): Promise<AnyArithmetic> {
  if (arithmetic === 'wasm') return new Arithmetic(strict ? 'strict' : 'relaxed');
  return (await import('../tensorflow/arithmetic.js')).createTensorflowArithmetic();
}
