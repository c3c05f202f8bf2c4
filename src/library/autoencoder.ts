/** `haze autoencoder` for programs. */
import { resolve } from 'node:path';
import type { AutoencoderTraining } from '../config/autoencoder-training.js';
import { JsonObject } from '../config/json.js';
import { GIVEN, type GivenImage, type GivenImages, isIterable } from '../data/given.js';
import { UsageError } from '../errors.js';
import type { AutoencoderEvent, AutoencoderResult } from '../train/autoencoder/options.js';
import { trainAutoencoder as trainSettings } from '../train/autoencoder/train.js';
import { byOwnNames } from './field-names.js';
import { settingsOf } from './settings-of.js';
import { asProgram } from './spelling.js';

/** What to train. The settings are the flags of `haze autoencoder`, with the flags' defaults. */
export interface AutoencoderSettings
  extends Partial<Omit<AutoencoderTraining, 'source' | 'arithmetic'>> {
  /**
   * A folder of pictures, a data file or `toy-cars`, or pictures as arrays. On a resume it may be left out, unless they were arrays; its
   * default is then where they were. E.g. `data: 'photos'`.
   */
  readonly data?: string | GivenImages;
  /** The folder of the autoencoder, which must be new or empty. E.g. `out: 'vae'`. */
  readonly out: string;
  /** Continue the training in `out` with its own settings. Default false. E.g. `resume: true`. */
  readonly resume?: boolean;
  /** The flag's name for `layers`. Default 1. E.g. `layersPerBlock: 2`. */
  readonly layersPerBlock?: number;
  /** Bytes of decoded pictures to keep in memory; more are streamed. Default a quarter of the available memory. E.g. `dataBudget: 2 ** 30`. */
  readonly dataBudget?: number;
  /** Fail with a CheckError unless a CUDA GPU computes. Default false. E.g. `requireCuda: true`. */
  readonly requireCuda?: boolean;
  /** Aborted when the user interrupts: the state is saved, and Interrupted is thrown. Default none. E.g. `signal: AbortSignal.timeout(60_000)`. */
  readonly signal?: AbortSignal;
  /** Called with events, in order. Default none. E.g. `onEvent: ({ kind }) => console.log(kind)`. */
  readonly onEvent?: (event: AutoencoderEvent) => void;
}

/**
 * Trains an AutoencoderKL on pictures, as a folder for `runConfig({ autoencoder })` and for diffusers.
 * @example `const { psnr } = await trainAutoencoder({ data: 'photos', out: 'vae' });`
 * @throws UsageError for what cannot be trained (nothing is left behind), and if another process is training in the folder; RunError
 *   for a loss that is not finite or a full disk (the last checkpoint stays); Interrupted once the state is saved.
 */
export const trainAutoencoder = (settings: AutoencoderSettings): Promise<AutoencoderResult> =>
  asProgram('trainAutoencoder', () => start(settingsOf('trainAutoencoder', settings)));

const KNOWN: Readonly<Record<keyof AutoencoderSettings, true>> = {
  ...{ data: true, out: true, resume: true, dataBudget: true, requireCuda: true },
  ...{ size: true, channels: true, widths: true, latents: true, layers: true },
  ...{ layersPerBlock: true, batch: true, steps: true, lr: true, loss: true, saveEvery: true },
  ...{ fit: true, flip: true, seed: true, device: true, threads: true, strict: true },
  ...{ wide: true, eager: true, signal: true, onEvent: true },
};

async function start(settings: AutoencoderSettings): Promise<AutoencoderResult> {
  const unknown = Object.keys(settings).find((name) => !(name in KNOWN));
  if (unknown !== undefined)
    throw new UsageError(
      `trainAutoencoder.${unknown}: unknown option; expected ${Object.keys(KNOWN).join(', ')}`,
    );
  const { signal, onEvent, data, ...given } = settings;
  const images = isIterable(data) ? imagesOf(data as GivenImages) : undefined;
  const all = { ...given, data: images ? GIVEN : data };
  const source = new JsonObject('trainAutoencoder', byOwnNames('trainAutoencoder', all), 'all');
  const out = source.text('out');
  if (out === undefined)
    throw new UsageError('trainAutoencoder.out: expected a folder, got nothing');
  const own = {
    ...{ data: source.text('data'), images },
    resume: source.boolean('resume') ?? false,
    dataBudget: source.whole('dataBudget', { min: 0 }),
    requireCuda: source.boolean('requireCuda') ?? false,
  };
  return trainSettings({ settings: source, out: resolve(out), ...own, signal, onEvent });
}

/** A list as it is at the call, which may change later. */
const imagesOf = (images: GivenImages): GivenImages =>
  Array.isArray(images) ? [...(images as readonly GivenImage[])] : images;
