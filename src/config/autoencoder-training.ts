/** Settings of an autoencoder's training: from flags, a program, or the state that a resume continues. */
import { isDeepStrictEqual } from 'node:util';
import type { Loss } from '../contracts/device.js';
import { TOY_CARS } from '../data/toy-cars.js';
import { UsageError } from '../errors.js';
import { latentFactor } from '../network/autoencoder.js';
import type { AutoencoderKlConfig } from '../network/autoencoder-kl-config.js';
import { MOST_CHANNELS, MOST_IMAGE_CHANNELS, MOST_LAYERS, MOST_LEVELS } from '../network/limits.js';
import { largestDivisor } from '../network/unet2d-config.js';
import { COMPUTING_DEFAULTS, checkComputing, readComputing, readSeed } from './computing.js';
import type { ComputingConfig, DataConfig } from './config.js';
import { type Flags, given } from './flag.js';
import { JsonObject } from './json.js';
import { readSize } from './network-settings.js';
import { show } from './show.js';
import type { Source } from './source.js';
import { DATA_DEFAULTS, dataFlags, dataSource, readBatch, readFit } from './training.js';

/** Everything needed to repeat an autoencoder's training. */
export interface AutoencoderTraining
  extends Pick<DataConfig, 'source' | 'fit' | 'flip'>,
    ComputingConfig {
  /** Side of the pictures in pixels; that of their latents is half as much for each of `widths` after the first. Default 64. E.g. `size: 128`. */
  readonly size: number;
  /** Grey or RGB pictures. Default 3. E.g. `channels: 1`. */
  readonly channels: 1 | 3;
  /** Channels of each level; each after the first halves the picture. Default `[32, 64, 96]`. E.g. `widths: [32, 64, 96, 128]`. */
  readonly widths: readonly number[];
  /** Channels of the latents. Default 4. E.g. `latents: 8`. */
  readonly latents: number;
  /** Residual blocks per level of the encoder; the decoder has one more. Default 1. E.g. `layers: 2`. */
  readonly layers: number;
  /** Pictures per step. Default 8. E.g. `batch: 16`. */
  readonly batch: number;
  /** Steps in all, resumes included; the learning rate decays until then. Default 2000. E.g. `steps: 10_000`. */
  readonly steps: number;
  /** The learning rate, before it decays. Default 0.001. E.g. `lr: 5e-4`. */
  readonly lr: number;
  /** Distance between pictures and what comes back. Default `l1`. E.g. `loss: 'l2'`. */
  readonly loss: Loss;
  /** Steps between saves; 0 saves only at the end. Default 500. E.g. `saveEvery: 100`. */
  readonly saveEvery: number;
  /** Key of all random numbers: initial weights, order of the pictures. Default 0. E.g. `seed: 7`. */
  readonly seed: number;
}

const DEFAULTS: Omit<AutoencoderTraining, 'source'> = {
  ...COMPUTING_DEFAULTS,
  ...{ fit: DATA_DEFAULTS.fit, flip: DATA_DEFAULTS.flip },
  ...{ size: 64, channels: 3, widths: [32, 64, 96], latents: 4, layers: 1 },
  ...{ batch: 8, steps: 2000, lr: 1e-3, loss: 'l1', saveEvery: 500, seed: 0 },
};

/** What the autoencoder is. */
export const autoencoderShapeFlags: Flags = {
  size: { describe: 'Side of the pictures in pixels', value: 'N', default: String(DEFAULTS.size) },
  channels: { describe: 'Grey or RGB pictures', value: '1|3', default: String(DEFAULTS.channels) },
  widths: {
    describe: 'Channels of each level; each after the first halves the picture',
    value: 'N,N,…',
    default: DEFAULTS.widths.join(),
  },
  latents: { describe: 'Channels of the latents', value: 'N', default: String(DEFAULTS.latents) },
  'layers-per-block': {
    describe: 'Residual blocks per level of the encoder; the decoder has one more',
    value: 'N',
    default: String(DEFAULTS.layers),
  },
};

/** How it is trained. */
export const autoencoderTrainingFlags: Flags = {
  steps: {
    describe: 'Steps in all, resumes included; the learning rate decays until then',
    value: 'N',
    default: String(DEFAULTS.steps),
  },
  batch: { describe: 'Pictures per step', value: 'N', default: String(DEFAULTS.batch) },
  lr: {
    describe: 'Learning rate; rises over 100 steps, then decays to 2 % of it',
    value: 'X',
    default: String(DEFAULTS.lr),
  },
  loss: {
    describe: 'Distance between pictures and what comes back',
    value: 'l1|l2|huber',
    default: DEFAULTS.loss,
  },
  'save-every': {
    describe: 'Steps between saves; 0: only at the end',
    value: 'N',
    default: String(DEFAULTS.saveEvery),
  },
};

const { fit, flip, 'data-budget': budget } = dataFlags;
export const autoencoderDataFlags: Flags = { fit: fit!, flip: flip!, 'data-budget': budget! };

/** The settings that a source gives, each valid by itself. @throws UsageError for one that is not */
function readSettings(source: Source): Partial<Omit<AutoencoderTraining, 'source'>> {
  return {
    ...readComputing(source),
    ...given<Omit<AutoencoderTraining, 'source' | keyof ComputingConfig>>({
      fit: readFit(source),
      flip: source.boolean('flip'),
      size: readSize(source),
      channels: source.whole('channels', {}) as 1 | 3 | undefined,
      widths: source.wholes('widths', { min: 1, max: MOST_CHANNELS }),
      latents: source.whole('latents', { min: 1, max: MOST_IMAGE_CHANNELS }),
      layers: source.whole('layers', { min: 1, max: MOST_LAYERS }),
      batch: readBatch(source),
      steps: source.whole('steps', { min: 1, max: 1e9 }),
      lr: source.real('lr', { above: 0 }),
      loss: source.oneOf('loss', ['l1', 'l2', 'huber']),
      saveEvery: source.whole('saveEvery', { min: 0, max: 1e9 }),
      seed: readSeed(source),
    }),
  };
}

/**
 * Settings of a new training, over the defaults.
 * @param data a folder, a file or toy-cars
 * @throws UsageError for an invalid setting
 */
export function newAutoencoderTraining(data: string, source: Source): AutoencoderTraining {
  const settings = { ...DEFAULTS, ...readSettings(source), source: dataSource(data) };
  check(settings);
  return settings;
}

/** Settings whose change leaves the meaning of what was trained before as it is. */
const CHANGEABLE: readonly string[] = ['steps', 'saveEvery', 'threads', 'wide'];

/**
 * The settings that a training was begun with, with what a resume changes.
 * @param out its folder, for messages
 * @param data where its pictures are now; undefined: where they were
 * @throws UsageError naming a setting that a resume may not change, what it is and what was given
 */
export function resumedAutoencoderTraining(
  out: string,
  begun: AutoencoderTraining,
  data: string | undefined,
  source: Source,
): AutoencoderTraining {
  const refuse = (setting: string, has: unknown, got: unknown): never => {
    throw new UsageError(
      `${setting}: the autoencoder in ${out} has ${show(has)}, got ${show(got)}; a resume may change only --steps, --save-every, --threads and --wide`,
    );
  };
  const asked = readSettings(source);
  for (const [name, value] of Object.entries(asked)) {
    const has = begun[name as keyof AutoencoderTraining];
    if (!CHANGEABLE.includes(name) && !isDeepStrictEqual(value, has))
      refuse(source.where(name), has, value);
  }
  const place = data === undefined ? begun.source : dataSource(data);
  // Files may be moved: whether they are the same ones is seen when they are listed.
  if ((place === TOY_CARS) !== (begun.source === TOY_CARS)) refuse('<data>', begun.source, place);
  return { ...begun, ...asked, source: place };
}

/**
 * Settings in a file, which may have been edited.
 * @param where the file and the place in it, for messages
 * @throws UsageError naming a field that is missing, unknown or invalid
 */
export function parseAutoencoderTraining(where: string, value: unknown): AutoencoderTraining {
  const object = new JsonObject(where, value, ['threads', 'wide']);
  const source = object.text('source')!;
  const settings = { ...DEFAULTS, ...readSettings(object), source };
  object.finish();
  try {
    check(settings);
  } catch (error) {
    if (error instanceof UsageError) throw new UsageError(`${where}: ${error.message}`);
    throw error;
  }
  return settings;
}

/** Checks across settings. @throws UsageError */
function check(settings: AutoencoderTraining): void {
  const { channels, widths, size, arithmetic } = settings;
  const refuse = (flag: string, expected: string, got: unknown): never => {
    throw new UsageError(`--${flag}: expected ${expected}, got ${got}`);
  };
  checkComputing(settings);
  if (arithmetic !== 'wasm') refuse('arithmetic', 'wasm, which pictures are read by', arithmetic);
  if (channels !== 1 && channels !== 3) refuse('channels', '1 or 3', channels);
  if (widths.length < 1 || widths.length > MOST_LEVELS)
    refuse('widths', `1 to ${MOST_LEVELS} widths`, widths.length);
  const factor = latentFactor(autoencoderConfigOf(settings));
  if (size % factor !== 0)
    refuse('size', `a multiple of ${factor}, the side of what becomes a pixel of latents`, size);
}

/** The autoencoder, whose latents are neither scaled nor shifted. */
export const autoencoderConfigOf = ({
  channels,
  latents,
  widths,
  layers,
}: AutoencoderTraining): AutoencoderKlConfig => ({
  kind: 'kl',
  ...{ channels, latentChannels: latents, widths, layers },
  groups: largestDivisor(widths, 32),
  midAttention: false,
  quantConv: true,
  postQuantConv: true,
  scale: 1,
  shift: 0,
});
