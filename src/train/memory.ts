import { threadCount } from '../config/computing.js';
import type { DeviceChoice, RunConfig } from '../config/config.js';
import { planBytes } from '../engine/network/plan.js';
import { buildNetwork } from '../network/network.js';
import { countParameters } from '../network/parameters.js';

import { COUNT } from './samples.js';

/**
 * Bytes that a run takes between its steps, beside those of its trainer: for a checkpoint Adam's moments in the files'
 * layout, for samples the weights and a U-Net of their own (on TensorFlow an estimate).
 */
export async function bytesBetweenSteps(
  { model, diffusion, computing, training }: RunConfig,
  device: DeviceChoice['device'],
): Promise<number> {
  const weights = 4 * countParameters(buildNetwork(model));
  const checkpoint = 2 * weights;
  if (training.sampleEvery === 0) return checkpoint;
  const { timesteps } = diffusion;
  const shape = { architecture: model, size: model.size, batch: COUNT, timesteps };
  const sampler =
    device === 'wasm'
      ? planBytes({ ...shape, threads: threadCount(computing), training: false }).total
      : (await import('../tensorflow/memory.js')).estimateNetwork(shape, 'prediction');
  return Math.max(checkpoint, weights + sampler);
}
