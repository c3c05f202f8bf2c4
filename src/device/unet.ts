import { threadCount } from '../config/computing.js';
import type { ComputingConfig } from '../config/config.js';
import { WasmUnet } from '../engine/unet/wasm-unet.js';
import type { Architecture } from '../unet/architecture.js';
import type { Loss, UnetDevice } from '../unet/device.js';

/** A U-Net's shape on either device. */
export interface UnetOptions {
  readonly architecture: Architecture;
  readonly size: number;
  readonly batch: number;
  readonly timesteps: number;
  readonly training: boolean;
  readonly loss?: Loss;
}

/** The U-Net on a device by itself, and the memory it takes (on TensorFlow an estimate), in bytes. */
export async function openUnet(
  device: 'wasm' | 'tensorflow',
  computing: ComputingConfig,
  options: UnetOptions,
): Promise<{ unet: UnetDevice; bytes: number }> {
  if (device === 'wasm') {
    const { unet } = WasmUnet.create({
      ...options,
      threads: threadCount(computing),
      strict: computing.strict,
    });
    return { unet, bytes: unet.engine.memory.buffer.byteLength };
  }
  const { createTensorflowUnet } = await import('../tensorflow/unet-device.js');
  const { estimateMemory } = await import('../tensorflow/memory.js');
  const unet = await createTensorflowUnet({ ...options, eager: computing.eager });
  return { unet, bytes: estimateMemory(options, options.training) };
}
