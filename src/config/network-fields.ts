import { MOST_CHANNELS, MOST_CLASSES, MOST_LAYERS } from '../network/limits.js';
import type { NetworkConfig, NetworkKind } from '../network/network.js';
import type { SimpleConfig } from '../network/simple.js';
import type { Unet2dConfig } from '../network/unet2d-config.js';
import { type Flag, type Flags, kebab } from './flag.js';
import type { Source } from './source.js';

/*
 * The fields of each network: how each is read from a flag, a setting or a config.json, and its help text. Flags,
 * files, resumes and messages are made from these tables, so a new field is described once, here.
 */

/** A field of a network's config. Without `describe` it occurs only in files, and `flag` names the user's setting for it. */
export interface Field<T> extends Partial<Flag> {
  /** Name of its flag without the dashes; by default the field's name in kebab case. */
  readonly flag?: string;
  /** The value, or undefined if it is not given. */
  readonly read: (source: Source, name: string) => T | undefined;
  /** Whether config.json may hold null. */
  readonly nullable?: true;
}

type FieldsOf<C> = { readonly [F in keyof Omit<C, 'kind'>]-?: Field<C[F]> };

const TIME_DIM = {
  describe: 'Length of the time embedding; must be even for simple',
  value: 'N',
  default: '32; unet2d: four times the first width',
} satisfies Flag;

/** Fields that both networks have. */
const SHARED = {
  channels: {
    describe: 'Grey or RGB',
    value: '1|3',
    default: '3',
    // checkNetwork refuses all but 1 and 3.
    read: (s, name) => s.whole(name, {}) as 1 | 3 | undefined,
  },
  widths: {
    describe: 'Channels of each level; each after the first halves the image',
    value: 'N,N,…',
    default: "the preset's",
    read: (s, name) => s.wholes(name, { min: 1, max: MOST_CHANNELS }),
  },
} satisfies Pick<FieldsOf<SimpleConfig>, 'channels' | 'widths'>;

const SIMPLE: FieldsOf<SimpleConfig> = {
  ...SHARED,
  timeDim: {
    ...TIME_DIM,
    read: (s, name) => s.whole(name, { min: 4, max: MOST_CHANNELS, even: true }),
  },
  norm: {
    describe: 'Two BatchNorms per stage, or one applied twice',
    value: 'separate|shared',
    default: 'separate',
    read: (s, name) => s.oneOf(name, ['separate', 'shared']),
  },
};

const UNET2D: FieldsOf<Unet2dConfig> = {
  ...SHARED,
  timeDim: { ...TIME_DIM, read: (s, name) => s.whole(name, { min: 1, max: MOST_CHANNELS }) },
  layers: {
    // `--layers` itself belongs to bench.
    flag: 'layers-per-block',
    describe: 'Residual blocks per level on the way down; one more on the way up',
    value: 'N',
    default: '2',
    read: (s, name) => s.whole(name, { min: 1, max: MOST_LAYERS }),
  },
  downAttention: { flag: 'attention', read: (s, name) => s.booleans(name) },
  upAttention: { flag: 'attention', read: (s, name) => s.booleans(name) },
  mid: {
    describe: 'Use blocks in the middle; --no-mid omits them',
    default: 'on',
    negatable: true,
    read: (s, name) => s.boolean(name),
  },
  midAttention: {
    describe: 'Use attention in the middle; --no-mid-attention omits it',
    default: 'on',
    negatable: true,
    read: (s, name) => s.boolean(name),
  },
  midScale: {
    describe: 'Divisor of the residual sums in the middle',
    value: 'X',
    default: '1',
    read: (s, name) => s.real(name, { above: 0 }),
  },
  headDim: {
    describe: 'Channels per attention head; all: one head',
    value: 'N|all',
    default: '8, or the largest divisor of the channels below that',
    nullable: true,
    read: (s, name) => {
      const given = s.wholeOr(name, { min: 1, max: MOST_CHANNELS }, ['all']);
      return given === 'all' ? null : given;
    },
  },
  groups: {
    describe: 'Groups of the norms',
    value: 'N',
    default: 'the largest divisor of all widths up to 32',
    read: (s, name) => s.whole(name, { min: 1, max: MOST_CHANNELS }),
  },
  attentionGroups: {
    describe: "Groups of the norm before the middle's attention",
    value: 'N',
    default: '--groups; with --time-scale-shift scale_shift there is no norm',
    nullable: true,
    read: (s, name) => s.whole(name, { min: 1, max: MOST_CHANNELS }),
  },
  eps: {
    flag: 'norm-eps',
    describe: 'Added to the variance in norms',
    value: 'X',
    default: '0.00001',
    read: (s, name) => s.real(name, { above: 0 }),
  },
  flipSinToCos: {
    describe:
      'Put cosines before sines in the time embedding; --no-flip-sin-to-cos puts them after',
    default: 'on',
    negatable: true,
    read: (s, name) => s.boolean(name),
  },
  freqShift: {
    describe: 'Shift of the time embedding’s frequencies',
    value: 'X',
    default: '0',
    read: (s, name) => s.real(name, {}),
  },
  timeScaleShift: {
    describe: 'Whether the time embedding is added, or scales and shifts normalised activations',
    value: 'default|scale_shift',
    default: 'default',
    read: (s, name) => s.oneOf(name, ['default', 'scale_shift']),
  },
  centerInput: {
    describe: 'Feed the network 2x − 1',
    default: 'off',
    negatable: true,
    read: (s, name) => s.boolean(name),
  },
  downPadding: {
    describe: 'Padding of strided convolutions: on all sides, or with 0 only right and bottom',
    value: '0|1',
    default: '1',
    read: (s, name) => s.whole(name, { min: 0, max: 1 }) as 0 | 1 | undefined,
  },
  downType: {
    describe: 'How levels with attention halve the image',
    value: 'conv|resnet',
    default: 'conv',
    read: (s, name) => s.oneOf(name, ['conv', 'resnet']),
  },
  upType: {
    describe: 'How levels with attention double it',
    value: 'conv|resnet',
    default: 'conv',
    read: (s, name) => s.oneOf(name, ['conv', 'resnet']),
  },
  numClasses: {
    describe: 'Number of classes, or timestep: class numbers embedded like timesteps',
    value: 'N|timestep',
    default: 'none',
    nullable: true,
    read: (s, name) => s.wholeOr(name, { min: 1, max: MOST_CLASSES }, ['timestep']),
  },
  dropout: {
    describe: 'Dropout probability in each residual block, in training',
    value: 'X',
    default: '0',
    read: (s, name) => s.real(name, { min: 0, below: 1 }),
  },
};

/** The fields of every network, by kind. */
const FIELDS = { simple: SIMPLE, unet2d: UNET2D } as const satisfies {
  [K in NetworkKind]: FieldsOf<Extract<NetworkConfig, { kind: K }>>;
};

export const KINDS = Object.keys(FIELDS) as NetworkKind[];

/** The fields of a network by name, in table order. */
export const fieldsOf = (kind: NetworkKind): [name: string, field: Field<unknown>][] =>
  Object.entries(FIELDS[kind]);

/** The flag of a field without its dashes: `eps` → `norm-eps`. */
export const flagOf = (kind: NetworkKind, name: string): string =>
  Object.fromEntries(fieldsOf(kind))[name]?.flag ?? kebab(name);

/** Settings whose flags have another name, for `Args`. */
export const FIELD_FLAGS: Readonly<Record<string, string>> = Object.fromEntries(
  KINDS.flatMap(fieldsOf).flatMap(([name, { flag }]) => (flag ? [[name, flag]] : [])),
);

/** Where blocks attend, in the user's terms. */
const attention: Flag = {
  describe: 'Image sizes of the levels with attention, in pixels',
  value: 'N,N,…|none',
  default: 'that of the last level',
};

/** The flags of some fields of a network. */
export function flagsOf(kind: NetworkKind, wanted: (name: string) => boolean = () => true): Flags {
  const flags = fieldsOf(kind).flatMap(([name, { read: _, flag, nullable: __, ...help }]) =>
    help.describe !== undefined && wanted(name) ? [[flag ?? kebab(name), help]] : [],
  );
  return Object.fromEntries(flags) as Flags;
}

const isShared = (name: string): boolean =>
  KINDS.every((kind) => fieldsOf(kind).some(([other]) => other === name));

/** Flags of the fields that both networks have, and of those that one has. */
export const sharedFlags: Flags = flagsOf('simple', isShared);
export const simpleFlags: Flags = flagsOf('simple', (name) => !isShared(name));
export const unet2dFlags: Flags = {
  ...flagsOf('unet2d', (name) => name === 'layers'),
  attention,
  ...flagsOf('unet2d', (name) => name !== 'layers' && !isShared(name)),
};

/** The flags of the given fields of the unet2d. */
export const unsaidFlags = (fields: readonly string[]): Flags =>
  flagsOf('unet2d', (name) => fields.includes(name));
