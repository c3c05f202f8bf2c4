/** The decoder of a model of latents, as jobs refer to it. */
import { readAutoencoderFields } from '../config/autoencoder-fields.js';
import type { JsonObject } from '../config/json.js';
import { section } from '../config/read-model.js';
import type { AutoencoderConfig } from '../network/autoencoder.js';
import { type Blob, readBlob } from './blob.js';

export interface AutoencoderBlob {
  readonly config: AutoencoderConfig;
  /** A file of the decoder's weights alone. */
  readonly weights: Blob;
}

/** Reads one from the data of a job. @throws UsageError if it is invalid */
export const readAutoencoderBlob = (o: JsonObject): AutoencoderBlob => ({
  config: section(o.object('config'), readAutoencoderFields),
  weights: section(o.object('weights'), readBlob),
});
