import { UsageError } from '../errors.js';
import {
  boolean,
  channels,
  imageChannels,
  list,
  number,
  oneOf,
  positive,
  readKeys,
  type Values,
  whole,
} from './diffusers-keys.js';
import { MOST_LAYERS, MOST_LEVELS } from './limits.js';

/**
 * diffusers' `AutoencoderKL` (Rombach et al., 2022): residual blocks with group norms and SiLU, and self-attention where the
 * resolution is lowest. Its encoder gives means and log variances of the latents.
 */
export interface AutoencoderKlConfig {
  readonly kind: 'kl';
  /** Channels of the pictures. */
  readonly channels: 1 | 3;
  readonly latentChannels: number;
  /** Channels of each level (`block_out_channels`), of which each but the first has half the resolution of that before. */
  readonly widths: readonly number[];
  /** Residual blocks per level on the way down; one more on the way up (`layers_per_block`). */
  readonly layers: number;
  /** Groups of a group norm (`norm_num_groups`). */
  readonly groups: number;
  /** Whether the middle has attention (`mid_block_add_attention`). */
  readonly midAttention: boolean;
  /** Whether a 1x1 convolution ends the encoder (`use_quant_conv`). */
  readonly quantConv: boolean;
  /** Whether one begins the decoder (`use_post_quant_conv`). */
  readonly postQuantConv: boolean;
  /** Networks learn (latents − shift)·scale (`scaling_factor`, `shift_factor`). */
  readonly scale: number;
  readonly shift: number;
}

const DOWN = 'DownEncoderBlock2D';
const UP = 'UpDecoderBlock2D';

/* Every key of the class (0.42.1), with its default. */
const KEYS = {
  in_channels: { missing: 3, read: oneOf(1, 3) },
  out_channels: { missing: 3, read: oneOf(1, 3) },
  down_block_types: { missing: [DOWN], read: list(oneOf(DOWN)) },
  up_block_types: { missing: [UP], read: list(oneOf(UP)) },
  block_out_channels: { missing: [64], read: list(channels) },
  layers_per_block: { missing: 1, read: whole(1, MOST_LAYERS) },
  act_fn: { missing: 'silu', read: oneOf('silu') },
  latent_channels: { missing: 4, read: imageChannels },
  norm_num_groups: { missing: 32, read: channels },
  scaling_factor: { missing: 0.18215, read: positive },
  shift_factor: {
    missing: null,
    read: (value: unknown) => (value === null ? 0 : number('a number', () => true)(value)),
  },
  latents_mean: { missing: null, read: oneOf(null) },
  latents_std: { missing: null, read: oneOf(null) },
  use_quant_conv: { missing: true, read: boolean },
  use_post_quant_conv: { missing: true, read: boolean },
  mid_block_add_attention: { missing: true, read: boolean },
};

/** Of the size of tiles, and of the type to compute in. */
const IGNORED = ['sample_size', 'force_upcast'];

/**
 * The autoencoder of a parsed config.json; `where` names it in errors.
 * @throws UsageError naming a key that is unknown, has an unsupported value, or conflicts with others
 */
export function readKlConfig(
  where: string,
  json: Readonly<Record<string, unknown>>,
): AutoencoderKlConfig {
  const v = readKeys(where, json, KEYS, IGNORED);
  check(where, v);
  return {
    kind: 'kl',
    channels: v.in_channels,
    latentChannels: v.latent_channels,
    widths: v.block_out_channels,
    layers: v.layers_per_block,
    groups: v.norm_num_groups,
    midAttention: v.mid_block_add_attention,
    quantConv: v.use_quant_conv,
    postQuantConv: v.use_post_quant_conv,
    scale: v.scaling_factor,
    shift: v.shift_factor,
  };
}

/** The keys of config.json, for an autoencoder that was trained on pictures of `size` pixels a side. */
export function writeKlConfig(c: AutoencoderKlConfig, size: number): Record<string, unknown> {
  const values: Readonly<Record<keyof typeof KEYS, unknown>> = {
    in_channels: c.channels,
    out_channels: c.channels,
    down_block_types: c.widths.map(() => DOWN),
    up_block_types: c.widths.map(() => UP),
    block_out_channels: c.widths,
    layers_per_block: c.layers,
    act_fn: 'silu',
    latent_channels: c.latentChannels,
    norm_num_groups: c.groups,
    scaling_factor: c.scale,
    shift_factor: c.shift,
    latents_mean: null,
    latents_std: null,
    use_quant_conv: c.quantConv,
    use_post_quant_conv: c.postQuantConv,
    mid_block_add_attention: c.midAttention,
  };
  return { _class_name: 'AutoencoderKL', sample_size: size, ...values };
}

/** Whether the values fit together. */
function check(where: string, v: Values<typeof KEYS>): void {
  const refuse = (key: keyof typeof KEYS, expected: string, got: unknown): never => {
    throw new UsageError(`${where}: ${key}: expected ${expected}, got ${got}`);
  };
  const { in_channels, out_channels, block_out_channels: widths, norm_num_groups: groups } = v;
  if (out_channels !== in_channels)
    refuse('out_channels', `${in_channels} like in_channels`, out_channels);
  if (widths.length < 1 || widths.length > MOST_LEVELS)
    refuse('block_out_channels', `1 to ${MOST_LEVELS} widths`, widths.length);
  for (const key of ['down_block_types', 'up_block_types'] as const)
    if (v[key].length !== widths.length)
      refuse(key, `${widths.length}, one for each of block_out_channels`, v[key].length);
  const odd = widths.find((width) => width % groups !== 0);
  if (odd !== undefined)
    refuse('norm_num_groups', 'a divisor of all block_out_channels', `${groups} for ${odd}`);
}
