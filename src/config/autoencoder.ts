/** The autoencoder of a model of latents: its own, or one that a setting names. */
import { UsageError } from '../errors.js';
import { type AutoencoderFiles, findAutoencoder } from '../io/autoencoder.js';
import type { ModelConfig } from './config.js';
import type { Flags } from './flag.js';
import { type PictureShape, pictureShape } from './picture-shape.js';
import type { Source } from './source.js';

export const autoencoderFlag: Flags = {
  autoencoder: {
    describe:
      'Decode latents by this AutoencoderKL or AutoencoderTiny, a folder of diffusers, whose latents they must be',
    value: 'FOLDER',
    default: "the model's own",
  },
};

/** What a model draws: its network's images, or the pictures whose latents these are. */
export interface Pictured {
  readonly model: ModelConfig;
  readonly autoencoder: AutoencoderFiles | null;
}

/**
 * A model's autoencoder; null for one of pixels, and for latents without any.
 * @param path the model, for messages
 * @param own the folder of the one that belongs to it; null if it is known to be of pixels
 * @throws UsageError for a folder that holds none, and for latents of another number of channels
 */
export function readAutoencoder(
  source: Source,
  path: string,
  { channels }: ModelConfig,
  own: string | null | undefined,
): AutoencoderFiles | null {
  const asked = source.text('autoencoder');
  if (asked !== undefined && own === null)
    throw new UsageError(`${source.where('autoencoder')}: ${path} was trained on pixels`);
  const folder = asked ?? own ?? null;
  if (folder === null) return null;
  const found = findAutoencoder(folder);
  const { latentChannels } = found.config;
  if (latentChannels === channels) return found;
  const where = asked === undefined ? folder : `${source.where('autoencoder')}: ${folder}`;
  throw new UsageError(
    `${where}: expected latents of ${channels} channels, as ${path} has, got ${latentChannels}`,
  );
}

/** Whether a model draws pictures: latents alone are none. */
export const hasPictures = ({ model: { channels }, autoencoder }: Pictured): boolean =>
  autoencoder !== null || channels === 1 || channels === 3;

/** The pictures of a model on disk. @throws UsageError for latents without an autoencoder */
export function readPictureShape(source: Source, path: string, of: Pictured): PictureShape {
  if (hasPictures(of)) return pictureShape(of.model, of.autoencoder);
  throw new UsageError(
    `${path}: its images have ${of.model.channels} channels, so they are latents; ${source.where('autoencoder')} gives the autoencoder that decodes them`,
  );
}
