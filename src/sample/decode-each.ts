/** Decodes drawn latents, one after the other. Pages decode by it too, so it needs no Node. */
import type { Autoencoder } from '../contracts/autoencoder.js';
import { requireFinite } from '../diffusion/finite.js';
import { Interrupted } from '../errors.js';

/** Why decoded pictures may not be numbers: what was drawn was. */
export const OUT_OF_RANGE = "the autoencoder's weights are out of range";

export interface DecodingHooks {
  readonly signal?: AbortSignal | undefined;
  /** Called after each picture. */
  readonly onDecoded: () => void;
}

/**
 * The pictures of latents, f32 [count, size, size, channels].
 * @throws RunError for a picture that is not finite; Interrupted
 */
export async function decodeEach(
  latents: Float32Array,
  autoencoder: Autoencoder,
  { signal, onDecoded }: DecodingHooks,
): Promise<Float32Array<ArrayBuffer>> {
  const { latentSize, latentChannels, size, channels } = autoencoder;
  const [from, to] = [latentSize ** 2 * latentChannels, size ** 2 * channels];
  const count = latents.length / from;
  const pictures = new Float32Array(count * to);
  for (let k = 0; k < count; k++) {
    const one = latents.subarray(k * from, (k + 1) * from);
    pictures.set(await autoencoder.decode(one), k * to);
    onDecoded();
    if (signal?.aborted) throw new Interrupted('interrupted; nothing was written');
  }
  requireFinite(pictures, count, OUT_OF_RANGE);
  return pictures;
}
