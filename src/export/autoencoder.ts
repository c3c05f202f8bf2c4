/**
 * The autoencoder of a diffusers pipeline. LDMPipeline and DiTPipeline scale latents by its scaling_factor, but do not add its
 * shift_factor: a 1x1 convolution before the decoder takes that over, as its bias.
 */
import { writeFileAtomically } from '../io/atomic.js';
import { type AutoencoderFiles, findAutoencoder } from '../io/autoencoder.js';
import { copyAutoencoder } from '../io/copy-autoencoder.js';
import { readTensors } from '../io/read-tensors.js';
import { readJsonFileSync } from '../io/run.js';
import { writeSafetensors } from '../io/safetensors.js';
import type { AutoencoderConfig } from '../network/autoencoder.js';
import type { AutoencoderKlConfig } from '../network/autoencoder-kl-config.js';
import type { StateDict } from '../network/state.js';
import { json } from './whole-folder.js';

/** Whether pipelines decode latents without the autoencoder's shift, which nothing in it can take over. */
export const losesShift = (config: AutoencoderConfig): boolean =>
  config.shift !== 0 && !takesShift(config);

/** Copies an autoencoder into a pipeline's new folder. @throws like `copyAutoencoder` */
export async function writeAutoencoder(files: AutoencoderFiles, folder: string): Promise<void> {
  await copyAutoencoder(files, folder);
  const { config, configFile, weights } = findAutoencoder(folder);
  if (config.shift === 0 || !takesShift(config)) return;
  const { tensors, metadata } = await readTensors(weights);
  foldShift(config, tensors);
  await writeSafetensors(weights, tensors, metadata);
  const keys = { ...readJsonFileSync(configFile), shift_factor: null };
  await writeFileAtomically(configFile, json(keys));
}

const takesShift = (config: AutoencoderConfig): config is AutoencoderKlConfig =>
  config.kind === 'kl' && config.postQuantConv;

/** Makes means that are shifted already, and pictures of them: W·(z + shift) + b = W·z + (W·shift + b). */
function foldShift(
  { latentChannels, quantConv, shift }: AutoencoderKlConfig,
  state: StateDict,
): void {
  const values = (name: string) => state.get(name)!.data as Float32Array;
  const means = values(quantConv ? 'quant_conv.bias' : 'encoder.conv_out.bias');
  const weight = values('post_quant_conv.weight');
  const bias = values('post_quant_conv.bias');
  for (let out = 0; out < latentChannels; out++) {
    means[out]! -= shift;
    const row = weight.subarray(out * latentChannels, (out + 1) * latentChannels);
    bias[out]! += shift * row.reduce((sum, w) => sum + w, 0);
  }
}
