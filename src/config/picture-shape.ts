import type { AutoencoderFiles } from '../io/autoencoder.js';
import { latentFactor } from '../network/autoencoder.js';
import { requirePixels } from '../network/network.js';
import type { ModelConfig } from './config.js';

/** Side and channels of pictures. */
export interface PictureShape {
  readonly size: number;
  readonly channels: 1 | 3;
}

/** The pictures of a model: its own images, or those whose latents these are. @throws UsageError for latents without an autoencoder */
export function pictureShape(
  model: ModelConfig,
  autoencoder: Pick<AutoencoderFiles, 'config'> | null | undefined,
): PictureShape {
  if (!autoencoder) {
    requirePixels(model);
    return { size: model.size, channels: model.channels };
  }
  const { config } = autoencoder;
  return { size: model.size * latentFactor(config), channels: config.channels };
}
