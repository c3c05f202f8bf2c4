import { UsageError } from '../errors.js';
import { LARGEST_SIDE, MOST_CHANNELS, MOST_CLASSES, MOST_LAYERS } from './limits.js';
import { type CheckedField, checkUnet2d, type Unet2dConfig } from './unet2d-config.js';

/*
 * diffusers' config.json of a `UNet2DModel`, in both directions. Every key of the class (diffusers 0.42.1) is in one table, with the
 * class's default; unsupported values are refused by key and value.
 */

/** The class of the file. */
export const UNET_CLASS = 'UNet2DModel';

/** A network in a file. */
export interface DiffusersNetwork {
  readonly config: Unet2dConfig;
  /** `sample_size`; null if the file does not give it. */
  readonly size: number | null;
}

/** Reads a value. @throws Unsupported */
type Read<T> = (value: unknown) => T;

/** A key of the file: the class's default, how its value is read, and how it is written. */
interface Key<T> {
  readonly missing: unknown;
  readonly read: Read<T>;
  readonly write: (network: DiffusersNetwork) => unknown;
}

/** Says what was expected of a value. */
class Unsupported extends Error {}

const fail = (expected: string): never => {
  throw new Unsupported(expected);
};

const key = <T>(missing: unknown, read: Read<T>, write: Key<T>['write']): Key<T> => ({
  missing,
  read,
  write,
});

const whole =
  (least: number, most: number): Read<number> =>
  (v) =>
    typeof v === 'number' && Number.isInteger(v) && v >= least && v <= most
      ? v
      : fail(`a whole number from ${least} to ${most}`);
const number =
  (expected: string, fits: (v: number) => boolean): Read<number> =>
  (v) => {
    if (typeof v !== 'number' || !Number.isFinite(v) || !fits(v)) return fail(expected);
    // As the engine keeps it.
    const near = Math.fround(v);
    return Number.isFinite(near) && fits(near) ? v : fail(`${expected} as a 32-bit float`);
  };
const channels = whole(1, MOST_CHANNELS);
const positive = number('a number above 0', (v) => v > 0);
const boolean: Read<boolean> = (v) => (typeof v === 'boolean' ? v : fail('true or false'));
const orNull =
  <T>(read: Read<T>): Read<T | null> =>
  (v) =>
    v === null ? null : read(v);
const list =
  <T>(read: Read<T>): Read<T[]> =>
  (v) =>
    Array.isArray(v) ? v.map(read) : fail('a list');
const oneOf =
  <const T>(...choices: readonly T[]): Read<T> =>
  (v) =>
    choices.includes(v as T) ? (v as T) : fail(choices.map((c) => JSON.stringify(c)).join(' or '));

const pixels = whole(1, LARGEST_SIDE);

/** A number, or equal height and width. */
const side: Read<number | null> = orNull((v) => {
  const [height, width, more] = Array.isArray(v) ? v.map(pixels) : [pixels(v), pixels(v)];
  const square = height !== undefined && height === width && more === undefined;
  return square ? height : fail('square images');
});

const DOWN = ['DownBlock2D', 'AttnDownBlock2D'] as const;
const UP = ['UpBlock2D', 'AttnUpBlock2D'] as const;
const MID = 'UNetMidBlock2D';

const KEYS = {
  sample_size: key(null, side, ({ size }) => size),
  in_channels: key(3, oneOf(1, 3), ({ config }) => config.channels),
  out_channels: key(3, oneOf(1, 3), ({ config }) => config.channels),
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
  dropout: key(
    0,
    number('a number from 0 to below 1', (v) => v >= 0 && v < 1),
    ({ config }) => config.dropout,
  ),
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
} satisfies Record<string, Key<unknown>>;

/** The file's keys for fields that must fit together. */
const FIELD_KEYS = {
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
} satisfies Record<CheckedField, keyof typeof KEYS>;

type Keys = typeof KEYS;
type Values = { [K in keyof Keys]: ReturnType<Keys[K]['read']> };

/** Keys without influence on the computation; so are those that begin with `_`. */
const IGNORED = ['num_train_timesteps'];

/**
 * The network of a parsed config.json; `where` names it in errors.
 * @throws UsageError naming a key that is unknown, has an unsupported value, or conflicts with others.
 */
export function fromDiffusers(
  where: string,
  json: Readonly<Record<string, unknown>>,
): DiffusersNetwork {
  const of = json._class_name ?? UNET_CLASS;
  if (of !== UNET_CLASS)
    throw new UsageError(`${where}: _class_name: expected ${UNET_CLASS}, got ${show(of)}`);
  for (const name of Object.keys(json))
    if (!name.startsWith('_') && !IGNORED.includes(name) && !Object.hasOwn(KEYS, name))
      throw new UsageError(`${where}: ${name}: not supported, got ${show(json[name])}`);
  const v = values(where, json);
  if (v.in_channels !== v.out_channels)
    throw new UsageError(
      `${where}: out_channels: expected ${v.in_channels} like in_channels, got ${v.out_channels}`,
    );
  const config = asConfig(v);
  checkUnet2d(config, (field) => `${where}: ${FIELD_KEYS[field]}`);
  return { config, size: v.sample_size };
}

function values(where: string, json: Readonly<Record<string, unknown>>): Values {
  const read = Object.entries<Key<unknown>>(KEYS).map(([name, { missing, read }]) => {
    const value = json[name] === undefined ? missing : json[name];
    try {
      return [name, read(value)];
    } catch (error) {
      if (!(error instanceof Unsupported)) throw error;
      throw new UsageError(`${where}: ${name}: expected ${error.message}, got ${show(value)}`);
    }
  });
  return Object.fromEntries(read) as Values;
}

function asConfig(v: Values): Unet2dConfig {
  return {
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
  };
}

/** The keys of config.json, for a network with this image size. */
export function toDiffusers(config: Unet2dConfig, size: number | null): Record<string, unknown> {
  const entries = Object.entries<Key<unknown>>(KEYS).map(([name, { write }]) => [
    name,
    write({ config, size }),
  ]);
  return { _class_name: UNET_CLASS, ...Object.fromEntries(entries) };
}

/** A value of the file on one line, truncated. */
function show(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
