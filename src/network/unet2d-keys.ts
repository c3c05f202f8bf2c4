import {
  boolean,
  channels,
  diffusersClass,
  imageChannels,
  type Key,
  list,
  number,
  oneOf,
  orNull,
  positive,
  probability,
  side,
  type Values,
  whole,
} from './diffusers-keys.js';
import { MOST_CHANNELS, MOST_CLASSES, MOST_LAYERS } from './limits.js';
import { type CheckedField, checkUnet2d, type Unet2dConfig } from './unet2d-config.js';

/* Every key of diffusers' `UNet2DModel` (0.42.1), with the class's default. */

const key = <T>(
  missing: unknown,
  read: Key<Unet2dConfig, T>['read'],
  write: Key<Unet2dConfig, T>['write'],
): Key<Unet2dConfig, T> => ({ missing, read, write });

const DOWN = ['DownBlock2D', 'AttnDownBlock2D'] as const;
const UP = ['UpBlock2D', 'AttnUpBlock2D'] as const;
const MID = 'UNetMidBlock2D';

const KEYS = {
  sample_size: key(null, side, ({ size }) => size),
  in_channels: key(3, imageChannels, ({ config }) => config.channels),
  out_channels: key(3, imageChannels, ({ config }) => config.channels),
  center_input_sample: key(false, boolean, ({ config }) => config.centerInput),
  time_embedding_type: key('positional', oneOf('positional'), () => 'positional'),
  time_embedding_dim: key(null, orNull(whole(0, MOST_CHANNELS)), ({ config }) => config.timeDim),
  freq_shift: key(
    0,
    number('a number', () => true),
    ({ config }) => config.freqShift,
  ),
  flip_sin_to_cos: key(true, boolean, ({ config }) => config.flipSinToCos),
  down_block_types: key([DOWN[0], DOWN[1], DOWN[1], DOWN[1]], list(oneOf(...DOWN)), ({ config }) =>
    config.downAttention.map((attends) => DOWN[Number(attends)]),
  ),
  mid_block_type: key(MID, orNull(oneOf(MID)), ({ config }) => (config.mid ? MID : null)),
  up_block_types: key([UP[1], UP[1], UP[1], UP[0]], list(oneOf(...UP)), ({ config }) =>
    config.upAttention.map((attends) => UP[Number(attends)]),
  ),
  block_out_channels: key([224, 448, 672, 896], list(channels), ({ config }) => config.widths),
  layers_per_block: key(2, whole(1, MOST_LAYERS), ({ config }) => config.layers),
  mid_block_scale_factor: key(1, positive, ({ config }) => config.midScale),
  downsample_padding: key(1, oneOf(0, 1), ({ config }) => config.downPadding),
  downsample_type: key('conv', oneOf('conv', 'resnet'), ({ config }) => config.downType),
  upsample_type: key('conv', oneOf('conv', 'resnet'), ({ config }) => config.upType),
  dropout: key(0, probability, ({ config }) => config.dropout),
  act_fn: key('silu', oneOf('silu'), () => 'silu'),
  attention_head_dim: key(8, orNull(channels), ({ config }) => config.headDim),
  norm_num_groups: key(32, channels, ({ config }) => config.groups),
  attn_norm_num_groups: key(null, orNull(channels), ({ config }) => config.attentionGroups),
  norm_eps: key(1e-5, positive, ({ config }) => config.eps),
  resnet_time_scale_shift: key(
    'default',
    oneOf('default', 'scale_shift'),
    ({ config }) => config.timeScaleShift,
  ),
  add_attention: key(true, boolean, ({ config }) => config.midAttention),
  class_embed_type: key(null, oneOf(null, 'timestep'), ({ config }) =>
    config.numClasses === 'timestep' ? 'timestep' : null,
  ),
  num_class_embeds: key(null, orNull(whole(1, MOST_CLASSES)), ({ config }) =>
    typeof config.numClasses === 'number' ? config.numClasses : null,
  ),
};

/** The file's keys for fields that must fit together. */
const FIELD_KEYS: Readonly<Record<CheckedField, keyof typeof KEYS>> = {
  widths: 'block_out_channels',
  downAttention: 'down_block_types',
  upAttention: 'up_block_types',
  layers: 'layers_per_block',
  groups: 'norm_num_groups',
  attentionGroups: 'attn_norm_num_groups',
  timeDim: 'time_embedding_dim',
  headDim: 'attention_head_dim',
  numClasses: 'num_class_embeds',
  dropout: 'dropout',
  eps: 'norm_eps',
  midScale: 'mid_block_scale_factor',
  freqShift: 'freq_shift',
};

const configOf = (v: Values<typeof KEYS>): Unet2dConfig => ({
  kind: 'unet2d',
  channels: v.in_channels,
  widths: v.block_out_channels,
  layers: v.layers_per_block,
  downAttention: v.down_block_types.map((type) => type === DOWN[1]),
  upAttention: v.up_block_types.map((type) => type === UP[1]),
  mid: v.mid_block_type !== null,
  midAttention: v.add_attention,
  midScale: v.mid_block_scale_factor,
  headDim: v.attention_head_dim,
  groups: v.norm_num_groups,
  attentionGroups: v.attn_norm_num_groups,
  eps: v.norm_eps,
  timeDim: v.time_embedding_dim || 4 * (v.block_out_channels[0] ?? 0),
  flipSinToCos: v.flip_sin_to_cos,
  freqShift: v.freq_shift,
  timeScaleShift: v.resnet_time_scale_shift,
  centerInput: v.center_input_sample,
  downPadding: v.downsample_padding,
  downType: v.downsample_type,
  upType: v.upsample_type,
  numClasses: v.class_embed_type ?? v.num_class_embeds,
  dropout: v.dropout,
});

export const UNET2D = diffusersClass({
  name: 'UNet2DModel',
  keys: KEYS,
  ignored: ['num_train_timesteps'],
  configOf,
  check: checkUnet2d,
  fieldKeys: FIELD_KEYS,
});
