import { UsageError } from '../errors.js';
import {
  channels,
  imageChannels,
  list,
  number,
  oneOf,
  positive,
  readKeys,
  show,
  type Values,
  whole,
} from './diffusers-keys.js';
import { MOST_LAYERS, MOST_LEVELS } from './limits.js';

/** diffusers' `AutoencoderTiny`: convolutions and ReLU alone, distilled from a larger autoencoder. */
export interface AutoencoderTinyConfig {
  readonly kind: 'tiny';
  /** Channels of the pictures. */
  readonly channels: 1 | 3;
  readonly latentChannels: number;
  /** Channels of all levels of the encoder (`encoder_block_out_channels`), and of the decoder. */
  readonly encoderWidth: number;
  readonly decoderWidth: number;
  /** Residual blocks of each level of the encoder, from the pictures on (`num_encoder_blocks`). */
  readonly encoderBlocks: readonly number[];
  /** Those of the decoder, from the latents on (`num_decoder_blocks`). */
  readonly decoderBlocks: readonly number[];
  /** Networks learn (latents − shift)·scale (`scaling_factor`, `shift_factor`). */
  readonly scale: number;
  readonly shift: number;
}

const blocks = list(whole(0, MOST_LAYERS));

/* Every key of the class (0.42.1), with its default. */
const KEYS = {
  in_channels: { missing: 3, read: oneOf(1, 3) },
  out_channels: { missing: 3, read: oneOf(1, 3) },
  encoder_block_out_channels: { missing: [64, 64, 64, 64], read: list(channels) },
  decoder_block_out_channels: { missing: [64, 64, 64, 64], read: list(channels) },
  act_fn: { missing: 'relu', read: oneOf('relu') },
  upsample_fn: { missing: 'nearest', read: oneOf('nearest') },
  latent_channels: { missing: 4, read: imageChannels },
  upsampling_scaling_factor: { missing: 2, read: oneOf(2) },
  num_encoder_blocks: { missing: [1, 3, 3, 3], read: blocks },
  num_decoder_blocks: { missing: [3, 3, 3, 1], read: blocks },
  scaling_factor: { missing: 1, read: positive },
  shift_factor: { missing: 0, read: number('a number', () => true) },
};

/** Of latents kept as bytes, of the type to compute in; and a copy of `decoder_block_out_channels` that the class adds. */
const IGNORED = ['latent_magnitude', 'latent_shift', 'force_upcast', 'block_out_channels'];

/**
 * The autoencoder of a parsed config.json; `where` names it in errors.
 * @throws UsageError naming a key that is unknown, has an unsupported value, or conflicts with others
 */
export function readTinyConfig(
  where: string,
  json: Readonly<Record<string, unknown>>,
): AutoencoderTinyConfig {
  const v = readKeys(where, json, KEYS, IGNORED);
  check(where, v);
  return {
    kind: 'tiny',
    channels: v.in_channels,
    latentChannels: v.latent_channels,
    encoderWidth: v.encoder_block_out_channels[0]!,
    decoderWidth: v.decoder_block_out_channels[0]!,
    encoderBlocks: v.num_encoder_blocks,
    decoderBlocks: v.num_decoder_blocks,
    scale: v.scaling_factor,
    shift: v.shift_factor,
  };
}

/** Whether the values fit together. */
function check(where: string, v: Values<typeof KEYS>): void {
  const refuse = (key: keyof typeof KEYS, expected: string, got: unknown): never => {
    throw new UsageError(`${where}: ${key}: expected ${expected}, got ${got}`);
  };
  if (v.out_channels !== v.in_channels)
    refuse('out_channels', `${v.in_channels} like in_channels`, v.out_channels);
  const levels = v.num_encoder_blocks.length;
  if (levels < 1 || levels > MOST_LEVELS)
    refuse('num_encoder_blocks', `1 to ${MOST_LEVELS} levels`, levels);
  if (v.num_decoder_blocks.length !== levels)
    refuse('num_decoder_blocks', `${levels} like num_encoder_blocks`, v.num_decoder_blocks.length);
  for (const key of ['encoder_block_out_channels', 'decoder_block_out_channels'] as const) {
    const widths = v[key];
    if (widths.length !== levels)
      refuse(key, `${levels}, one for each of num_encoder_blocks`, widths.length);
    // The class can be made with others, but its convolutions between the levels do not change the width.
    if (widths.some((width) => width !== widths[0])) refuse(key, 'equal widths', show(widths));
  }
}
