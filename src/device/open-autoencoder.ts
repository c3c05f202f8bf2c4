/** Opens an autoencoder from its files, on the chosen device. */
import { setImmediate } from 'node:timers/promises';
import type { ComputingConfig } from '../config/config.js';
import type { Autoencoder } from '../contracts/autoencoder.js';
import { type AutoencoderWeights, readHalf } from '../io/autoencoder.js';
import { AUTOENCODER_CLASSES } from '../network/autoencoder.js';
import { chooseDevice } from './choose.js';
import { DeviceAutoencoder, HALF_USE } from './device-autoencoder.js';
import { describeDevice, openGraph } from './open-graph.js';

export interface AutoencoderOptions {
  readonly computing: ComputingConfig;
  /** Whether a CUDA GPU has to compute. */
  readonly requireCuda: boolean;
}

/**
 * An autoencoder for latents of `latentSize` pixels a side. The first `encode` reads the encoder's weights and takes its memory, the
 * first `decode` the decoder's: both throw a UsageError for weights of another network, or if there is too little memory.
 * @throws UsageError if TensorFlow is not set up; CheckError without a GPU that is required
 */
export async function openAutoencoder(
  { config, weights }: AutoencoderWeights,
  latentSize: number,
  { computing, requireCuda }: AutoencoderOptions,
): Promise<Autoencoder> {
  const { device } = await chooseDevice(computing, requireCuda);
  const name = AUTOENCODER_CLASSES[config.kind];
  return new DeviceAutoencoder(config, latentSize, {
    description: `${name} on ${await describeDevice(device, computing)}`,
    read: (half, graph) => readHalf(weights, half, graph),
    open: async (graph) => (await openGraph(device, computing, graph, HALF_USE)).network,
    // TensorFlow holds the thread for as long as it computes.
    rest: () => setImmediate(),
  });
}
