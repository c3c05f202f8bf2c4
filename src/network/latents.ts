import type { AutoencoderConfig } from './autoencoder.js';

/* Between an autoencoder's halves and the networks that learn its latents: what diffusers' pipelines do outside of both. */

/** The Tiny decoder's bound. */
const BOUND = 3;

/**
 * What networks learn, (z − shift)·scale, of an encoder's output.
 * @param encoded f32 [pixels, channels] of the encoder; of AutoencoderKL the means are the first half of the channels
 * @param out f32 [pixels, latentChannels]
 */
export function latentsOf(c: AutoencoderConfig, encoded: Float32Array, out: Float32Array): void {
  const { latentChannels, scale, shift } = c;
  const channels = c.kind === 'kl' ? 2 * latentChannels : latentChannels;
  for (let at = 0, from = 0; at < out.length; from += channels)
    for (let i = 0; i < latentChannels; i++) out[at++] = (encoded[from + i]! - shift) * scale;
}

/** What a decoder reads, z = latents/scale + shift; that of AutoencoderTiny bounds it as 3·tanh(z/3). */
export function decoderInput(c: AutoencoderConfig, latents: Float32Array): Float32Array {
  const { kind, scale, shift } = c;
  const unscaled = (value: number) => value / scale + shift;
  return kind === 'kl'
    ? latents.map(unscaled)
    : latents.map((value) => BOUND * Math.tanh(unscaled(value) / BOUND));
}
