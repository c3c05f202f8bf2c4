/**
 * Square pictures as latents and back (Rombach et al., 2022): smaller images of more channels, which a network learns instead of
 * the pictures. A picture's latents depend on that picture alone, whatever else is encoded.
 */
export interface Autoencoder {
  /** For headers, e.g. `AutoencoderTiny on wasm (relaxed SIMD, 2 threads)`. */
  readonly description: string;
  /** Side of the latents, and of the pictures. */
  readonly latentSize: number;
  readonly size: number;
  /** Channels of the latents, and of the pictures. */
  readonly latentChannels: number;
  readonly channels: 1 | 3;
  /**
   * The mean of each picture's latents, shifted and scaled to what networks learn. One call at a time, of `decode` too.
   * @param pictures f32 [count, size, size, channels] in [−1, 1]
   * @returns f32 [count, latentSize, latentSize, latentChannels]
   */
  encode(pictures: Float32Array): Promise<Float32Array>;
  /**
   * The pictures of such latents.
   * @returns f32 [count, size, size, channels], around [−1, 1], not clamped
   */
  decode(latents: Float32Array): Promise<Float32Array>;
  /** Frees memory and workers; safe to call twice. */
  dispose(): Promise<void>;
}
