import { UsageError } from '../errors.js';
import {
  channels,
  diffusersClass,
  imageChannels,
  type Key,
  oneOf,
  orNull,
  positive,
  probability,
  type Read,
  side,
  type Values,
  whole,
} from './diffusers-keys.js';
import { type CheckedDitField, checkDit, type DitConfig } from './dit-config.js';
import { LARGEST_SIDE, MOST_CHANNELS, MOST_CLASSES, MOST_LAYERS } from './limits.js';

/*
 * Every key of diffusers' `DiTTransformer2DModel` (0.42.1), with the class's default. The class always embeds a label: a network
 * without classes has the label 0 alone, num_embeds_ada_norm 0 (single-class.ts). Twice as many outputs as inputs are those of a
 * variance, too (learned-variance.ts).
 */

const key = <T>(
  missing: unknown,
  read: Key<DitConfig, T>['read'],
  write: Key<DitConfig, T>['write'],
): Key<DitConfig, T> => ({ missing, read, write });

/** Only one value is supported. */
const only = <const T extends string | boolean>(value: T) => key(value, oneOf(value), () => value);

/** Of a value that nothing is computed from. */
const anything: Read<unknown> = (v) => v;

const KEYS = {
  num_attention_heads: key(16, channels, ({ config }) => config.widths[0]! / config.headDim),
  attention_head_dim: key(72, channels, ({ config }) => config.headDim),
  in_channels: key(4, imageChannels, ({ config }) => config.channels),
  out_channels: key(null, orNull(imageChannels), ({ config }) => config.channels),
  num_layers: key(28, whole(1, MOST_LAYERS), ({ config }) => config.depth),
  dropout: key(0, probability, ({ config }) => config.dropout),
  norm_num_groups: key(32, anything, () => 32),
  attention_bias: only(true),
  sample_size: key(32, side, ({ config, size }) => config.baseSize ?? size),
  patch_size: key(2, whole(1, LARGEST_SIDE), ({ config }) => config.patch),
  activation_fn: only('gelu-approximate'),
  num_embeds_ada_norm: key(
    1000,
    whole(0, MOST_CLASSES - 1),
    ({ config }) => (config.numClasses ?? 1) - 1,
  ),
  upcast_attention: key(false, anything, () => false),
  norm_type: only('ada_norm_zero'),
  norm_elementwise_affine: only(false),
  norm_eps: key(1e-5, positive, ({ config }) => config.eps),
};

/** The file's keys for fields that must fit together. */
const FIELD_KEYS: Readonly<Record<CheckedDitField, keyof typeof KEYS>> = {
  widths: 'num_attention_heads',
  depth: 'num_layers',
  patch: 'patch_size',
  baseSize: 'sample_size',
  headDim: 'attention_head_dim',
  eps: 'norm_eps',
  dropout: 'dropout',
  numClasses: 'num_embeds_ada_norm',
};

/** Fields that fit together, and a width of no more than other networks have. */
function check(config: DitConfig, nameOf: (field: CheckedDitField) => string): void {
  const [width] = config.widths;
  if (width! > MOST_CHANNELS)
    throw new UsageError(
      `${nameOf('widths')}: expected heads of ${MOST_CHANNELS} channels in total at most, got ${width}`,
    );
  checkDit(config, nameOf);
}

const configOf = (v: Values<typeof KEYS>): DitConfig => ({
  kind: 'dit',
  channels: v.in_channels,
  widths: [v.num_attention_heads * v.attention_head_dim],
  depth: v.num_layers,
  patch: v.patch_size,
  baseSize: v.sample_size,
  headDim: v.attention_head_dim,
  eps: v.norm_eps,
  dropout: v.dropout,
  numClasses: v.num_embeds_ada_norm === 0 ? null : v.num_embeds_ada_norm + 1,
});

export const DIT = diffusersClass({
  name: 'DiTTransformer2DModel',
  mayDouble: true,
  keys: KEYS,
  configOf,
  check,
  fieldKeys: FIELD_KEYS,
});
