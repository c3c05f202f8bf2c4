/** A model of latents draws pictures: what it draws is decoded, and a picture that it redraws is encoded. */
import type { Autoencoder } from '../contracts/autoencoder.js';
import { openAutoencoder } from '../device/open-autoencoder.js';
import { keepPicture } from '../diffusion/picture-redraw.js';
import type { Redrawing } from '../diffusion/redraw.js';
import { type AutoencoderFiles, type AutoencoderWeights, readHalf } from '../io/autoencoder.js';
import { buildDecoder } from '../network/autoencoder.js';
import type { StateDict } from '../network/state.js';
import { decodeEach } from './decode-each.js';
import type { SampleOptions, SampleResult } from './options.js';

/** What `use` makes of an autoencoder, which is open meanwhile. @throws UsageError as `openAutoencoder` */
export async function withAutoencoder<T>(
  files: AutoencoderFiles,
  { model, computing, requireCuda }: Pick<SampleOptions, 'model' | 'computing' | 'requireCuda'>,
  use: (autoencoder: Autoencoder) => Promise<T>,
): Promise<T> {
  const autoencoder = await openAutoencoder(files, model.size, { computing, requireCuda });
  try {
    return await use(autoencoder);
  } finally {
    await autoencoder.dispose();
  }
}

/** The weights of a decoder. @throws UsageError for other ones than its config's */
export const readDecoder = ({ config, weights }: AutoencoderWeights): Promise<StateDict> =>
  // They are the same for latents of any size.
  readHalf(weights, 'decoder', buildDecoder(config, 1));

/** Checks a decoder, which is needed only once all is drawn. @throws UsageError for other weights than its config's */
export async function checkDecoder(files: AutoencoderWeights): Promise<void> {
  await readDecoder(files);
}

/** What an autoencoder makes of pictures, in words, for notes. */
export const encoderInWords = (of: Autoencoder): string =>
  `latents ${of.latentSize}x${of.latentSize}x${of.latentChannels} of pictures of ${of.size}x${of.size}x${of.channels}, by ${of.description}`;

/** What it makes of latents. */
export const decoderInWords = ({ size, channels, description }: Autoencoder): string =>
  `decoded to pictures of ${size}x${size}x${channels} by ${description}`;

/**
 * The pictures of drawn latents, one after the other, and of those in frames.
 * @param redrawing the picture that was redrawn: what its mask keeps is put back, since an autoencoder changes it a little
 * @throws RunError for a picture that is not finite; Interrupted
 */
export async function decodeSamples(
  { images, frames }: SampleResult,
  autoencoder: Autoencoder,
  { redrawing, signal, onEvent }: Pick<SampleOptions, 'redrawing' | 'signal' | 'onEvent'>,
): Promise<SampleResult> {
  const { latentSize, latentChannels } = autoencoder;
  const each = latentSize ** 2 * latentChannels;
  const all = [images, ...frames.map((frame) => frame.images)];
  const total = all.reduce((sum, { length }) => sum + length / each, 0);
  let done = 0;
  const onDecoded = () => onEvent?.({ kind: 'decoding', done: ++done, total });
  const decode = async (latents: Float32Array, isEnd: boolean) => {
    const pictures = await decodeEach(latents, autoencoder, { signal, onDecoded });
    if (isEnd && redrawing?.mask) keepPicture(pictures, redrawing.picture, redrawing.mask);
    return pictures;
  };
  onEvent?.({ kind: 'note', text: decoderInWords(autoencoder) });
  const pictures = await decode(images, true);
  const moments = [];
  for (const { t, images: latents } of frames)
    moments.push({ t, images: await decode(latents, t === 0) });
  return { images: pictures, frames: moments };
}

/** The same redrawing of latents: a latent is drawn anew if any of its pixels is. */
export async function latentRedrawing(
  redrawing: Redrawing,
  autoencoder: Autoencoder,
): Promise<Redrawing> {
  const { picture, mask } = redrawing;
  return {
    ...redrawing,
    picture: await autoencoder.encode(picture),
    mask: mask && latentMask(mask, autoencoder),
  };
}

/** u8 [size, size, channels] as u8 [latentSize, latentSize, latentChannels]. */
function latentMask(
  mask: Uint8Array,
  { size, channels, latentSize, latentChannels }: Autoencoder,
): Uint8Array {
  const factor = size / latentSize;
  const latents = new Uint8Array(latentSize ** 2 * latentChannels);
  for (let pixel = 0; pixel < size ** 2; pixel++) {
    if (!mask[pixel * channels]) continue;
    const [y, x] = [Math.floor(pixel / size / factor), Math.floor((pixel % size) / factor)];
    const at = (y * latentSize + x) * latentChannels;
    latents.fill(1, at, at + latentChannels);
  }
  return latents;
}
