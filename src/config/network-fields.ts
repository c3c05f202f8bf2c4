import type { DitConfig } from '../network/dit-config.js';
import { LARGEST_SIDE, MOST_CHANNELS, MOST_CLASSES, MOST_LAYERS } from '../network/limits.js';
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

/*
 * Flags of fields that two networks have, which may differ in what they take.
 */

const TIME_DIM = {
  describe: 'Length of the time embedding; must be even for simple',
  value: 'N',
  default: '32; unet2d: four times the first width',
} satisfies Flag;

const HEAD_DIM = {
  describe: 'Channels per attention head; all, for unet2d: one head',
  value: 'N|all',
  default: '8, for dit 64, or the largest divisor of the channels below that',
} satisfies Flag;

const NUM_CLASSES = {
  describe: 'Number of classes, or timestep, for unet2d: class numbers embedded like timesteps',
  value: 'N|timestep',
  default: 'none',
} satisfies Flag;

const EPS = {
  flag: 'norm-eps',
  describe: 'Added to the variance in norms; dit: in the second norm of each block',
  value: 'X',
  default: '0.00001',
  read: (s, name) => s.real(name, { above: 0 }),
} satisfies Field<number>;

const DROPOUT = {
  describe: 'Dropout probability in each block, in training',
  value: 'X',
  default: '0',
  read: (s, name) => s.real(name, { min: 0, below: 1 }),
} satisfies Field<number>;

/** Fields that all networks have. */
const SHARED = {
  channels: {
    describe: 'Grey or RGB; of latents those that the autoencoder has',
    value: '1|3',
    default: '3',
    read: (s, name) => s.whole(name, {}),
  },
  widths: {
    describe:
      'Channels of each level; each after the first halves the image. dit: one number, of tokens',
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
  // The flag says it in the user's terms, for both: see `Attention`.
  downAttention: {
    flag: 'attention',
    describe: 'Image sizes of the levels with attention, in pixels',
    value: 'N,N,…|none',
    default: 'that of the last level',
    read: (s, name) => s.booleans(name),
  },
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
    ...HEAD_DIM,
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
  eps: EPS,
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
    ...NUM_CLASSES,
    nullable: true,
    read: (s, name) => s.wholeOr(name, { min: 1, max: MOST_CLASSES }, ['timestep']),
  },
  dropout: DROPOUT,
};

const DIT: FieldsOf<DitConfig> = {
  ...SHARED,
  depth: {
    describe: 'Blocks',
    value: 'N',
    default: '6',
    read: (s, name) => s.whole(name, { min: 1, max: MOST_LAYERS }),
  },
  patch: {
    describe: 'Side of a patch in pixels; each patch is a token',
    value: 'N',
    default: '2',
    read: (s, name) => s.whole(name, { min: 1, max: LARGEST_SIDE }),
  },
  baseSize: {
    describe:
      'Size of the images whose patches have the positions 0, 1, …; those of others are stretched to the same range',
    value: 'N',
    default: '--size',
    read: (s, name) => s.whole(name, { min: 1, max: LARGEST_SIDE }),
  },
  headDim: { ...HEAD_DIM, read: (s, name) => s.whole(name, { min: 1, max: MOST_CHANNELS }) },
  eps: EPS,
  dropout: DROPOUT,
  numClasses: {
    ...NUM_CLASSES,
    nullable: true,
    read: (s, name) => s.whole(name, { min: 2, max: MOST_CLASSES }),
  },
};

/** The fields of every network, by kind. */
const FIELDS = { simple: SIMPLE, unet2d: UNET2D, dit: DIT } as const satisfies {
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

/** The networks with a field. */
export const kindsWith = (name: string): NetworkKind[] =>
  KINDS.filter((kind) => fieldsOf(kind).some(([other]) => other === name));

/** The flags of the wanted fields, each once, with the networks that have it. */
function flagsOf(
  wanted: (name: string, kinds: readonly NetworkKind[]) => boolean,
): [kinds: NetworkKind[], flags: Flags][] {
  const groups = new Map<string, [kinds: NetworkKind[], flags: Flags]>();
  for (const [name, { read: _, flag, nullable: __, ...help }] of KINDS.flatMap(fieldsOf)) {
    const kinds = kindsWith(name);
    if (help.describe === undefined || !wanted(name, kinds)) continue;
    const [, flags] = groups.get(kinds.join()) ?? [];
    groups.set(kinds.join(), [kinds, { ...flags, [flag ?? kebab(name)]: help as Flag }]);
  }
  return [...groups.values()];
}

const isShared = (kinds: readonly NetworkKind[]): boolean => kinds.length === KINDS.length;

/** Flags of the fields that all networks have. */
export const sharedFlags: Flags = flagsOf((_, kinds) => isShared(kinds))[0]![1];

/** Flags of the other fields, by the networks that have them. */
export const ownFlags: readonly (readonly [kinds: readonly NetworkKind[], flags: Flags])[] =
  flagsOf((_, kinds) => !isShared(kinds)).sort(([a], [b]) => b.length - a.length);

/** The flags of the given fields. */
export const flagsNamed = (fields: readonly string[]): Flags =>
  Object.assign({}, ...flagsOf((name) => fields.includes(name)).map(([, flags]) => flags));
