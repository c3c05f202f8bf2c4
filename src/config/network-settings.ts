import { UsageError } from '../errors.js';
import { type DitConfig, ditDefaults } from '../network/dit-config.js';
import { LARGEST_SIDE } from '../network/limits.js';
import type { NetworkConfig, NetworkKind } from '../network/network.js';
import type { SimpleConfig } from '../network/simple.js';
import { attendingLevels, type Unet2dConfig, unet2dDefaults } from '../network/unet2d-config.js';
import type { ModelConfig } from './config.js';
import { fieldsOf, KINDS } from './network-fields.js';
import type { Source } from './source.js';

/** The given fields of a network of one kind: from flags, a program, a preset or a file. The rest follows or has a default. */
export type GivenModel =
  | GivenOf<SimpleConfig>
  | (GivenOf<Unet2dConfig> & Attention)
  | GivenOf<DitConfig>;
type GivenOf<C extends NetworkConfig> = Partial<Omit<C, 'kind'>> & {
  readonly kind: C['kind'];
  readonly size?: number;
};

/** Image sizes of the levels with attention, down and up alike: the user's form of `downAttention` and `upAttention`. */
interface Attention {
  readonly attention?: readonly number[];
}

const SIZE = { min: 2, max: LARGEST_SIDE };

/** The network's kind, if the source gives it. */
export const readKind = (source: Source): NetworkKind | undefined => source.oneOf('network', KINDS);

export const readSize = (source: Source): number | undefined => source.whole('size', SIZE);

/**
 * The fields that a source gives for a network of this kind.
 * @throws UsageError for an invalid setting, or one of another network
 */
export function readGiven(kind: NetworkKind, source: Source): GivenModel {
  refuseForeign(kind, source);
  const fields = fieldsOf(kind).map(([name, { read }]) => [name, read(source, name)] as const);
  const given = [
    ['size', readSize(source)] as const,
    ...fields,
    ...(kind === 'unet2d' ? [['attention', readAttention(source)] as const] : []),
  ].filter(([, value]) => value !== undefined);
  return { kind, ...Object.fromEntries(given) } as GivenModel;
}

/** Every field of a network, from a file that must have all of them. */
export function readWhole(kind: NetworkKind, source: Source): ModelConfig {
  const fields = fieldsOf(kind).map(([name, { read }]) => [name, read(source, name) ?? null]);
  return { kind, size: readSize(source), ...Object.fromEntries(fields) } as ModelConfig;
}

/** Names of the fields that may be null or missing in a file. */
export const nullableFields = (kind: NetworkKind): string[] =>
  fieldsOf(kind).flatMap(([name, { nullable }]) => (nullable ? [name] : []));

const readAttention = (source: Source): number[] | undefined =>
  source.wholes('attention', { min: 1, max: SIZE.max }, 'none');

/** @throws UsageError naming a setting that the network does not have, and the networks that do */
function refuseForeign(kind: NetworkKind, source: Source): void {
  const own = namesOf(kind);
  for (const name of KINDS.flatMap(namesOf))
    if (!own.includes(name) && source.has(name)) {
      const kinds = KINDS.filter((other) => namesOf(other).includes(name));
      throw new UsageError(`${source.where(name)}: ${ofOthers(kinds, kind)}`);
    }
}

/** Why a network cannot have a setting of others. */
export const ofOthers = (others: readonly NetworkKind[], kind: NetworkKind): string =>
  `belongs to --network ${others.join(' and ')}; the network is ${kind}`;

const namesOf = (kind: NetworkKind): string[] => [
  ...fieldsOf(kind).map(([name]) => name),
  ...(kind === 'unet2d' ? ['attention'] : []),
];

/** Completes a network: what is not given follows from the rest, or has its default. `size` and `widths` must be given. */
export function completeModel(given: GivenModel): ModelConfig {
  if (given.kind === 'simple') return { ...SIMPLE_DEFAULTS, ...given } as ModelConfig;
  if (given.kind === 'dit') {
    const { widths = [], size = 0 } = given;
    return {
      ...ditDefaults({ widths }),
      ...given,
      baseSize: given.baseSize ?? size,
    } as ModelConfig;
  }
  const { attention, ...rest } = given;
  const { widths = [], size = 0 } = rest;
  const levels = attention && attendingLevels(widths, size, attention);
  const attending = levels && { downAttention: levels, upAttention: [...levels].reverse() };
  const stated = { ...rest, ...attending };
  return { ...unet2dDefaults({ ...stated, widths }), ...stated } as ModelConfig;
}

const SIMPLE_DEFAULTS = { channels: 3, timeDim: 32, norm: 'separate' } as const;
