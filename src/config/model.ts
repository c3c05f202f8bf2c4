import { UsageError } from '../errors.js';
import { readJsonFileSync } from '../io/run.js';
import { fromDiffusers } from '../network/diffusers-config.js';
import { checkNetwork, checkSize, sizeFactor } from '../network/network.js';
import { UNSAID } from '../network/recognise.js';
import type { ModelConfig } from './config.js';
import type { Flags } from './flag.js';
import { refuseIdleFields } from './idle-fields.js';
import { flagsNamed, KINDS, ownFlags, sharedFlags } from './network-fields.js';
import { completeModel, type GivenModel, readGiven, readKind } from './network-settings.js';
import { DEFAULT_PRESETS, PRESET_NAMES, PRESETS, type Preset, type Recipe } from './presets.js';
import { refuseOtherNetwork } from './same-network.js';
import type { Source } from './source.js';

const networkConfig = {
  describe: "diffusers' config.json of a UNet2DModel or DiTTransformer2DModel; flags override it",
  value: 'FILE',
};

/** `reference, for unet2d unet2d-32`, for help. */
const defaultPresets = Object.entries(DEFAULT_PRESETS)
  .map(([kind, name]) => (kind === 'simple' ? name : `for ${kind} ${name}`))
  .join(', ');

/** Flags that fix the network and its image size. */
export const modelFlags: Flags = {
  preset: {
    describe: 'A complete set-up: network, size, batch, and for recipes how to train and sample',
    value: PRESET_NAMES.join('|'),
    default: defaultPresets,
  },
  network: {
    describe: "The walk-through's U-Net, or diffusers' UNet2DModel or DiTTransformer2DModel",
    value: KINDS.join('|'),
    default: 'simple',
  },
  'network-config': networkConfig,
  size: { describe: 'Side of the square images, in pixels', value: 'N', default: "the preset's" },
  ...sharedFlags,
};

/** The same and the flags that belong to some networks, under the headings of help. */
export const modelGroups: Readonly<Record<string, Flags>> = {
  'Model:': modelFlags,
  ...Object.fromEntries(
    ownFlags.map(([kinds, flags]) => [`Model, with --network ${kinds.join(' or ')}:`, flags]),
  ),
};

/** What the shapes of bare weights do not tell. */
export const unsaidGroups: Readonly<Record<string, Flags>> = {
  'Network, for bare weights of a unet2d or dit, whose shapes do not tell:': {
    'network-config': networkConfig,
    ...flagsNamed(UNSAID),
  },
};

/** Default batch for a network from a config, and for bare weights. */
export const DEFAULT_BATCH = 16;
export const DEFAULT_BATCHES = {
  simple: PRESETS.reference.batch,
  unet2d: DEFAULT_BATCH,
  dit: DEFAULT_BATCH,
} as const;

/** A network and its accompanying settings, which other settings override. */
export interface Base {
  readonly given: GivenModel;
  /** A suitable batch; undefined if there is none. */
  readonly batch?: number;
  /** How it is trained and sampled, if its preset says so. */
  readonly recipe?: Recipe;
  /** Whether weights fix the network, so that settings must agree with it. */
  readonly fixed?: boolean;
  /** Whether the network comes from a preset, whose fields yield to conflicting settings. */
  readonly yields?: boolean;
  /** What the user called it, for messages: `--preset tiny`. */
  readonly named: string;
}

/** The preset that a source names, if any. */
function readPreset(source: Source): Preset | undefined {
  const name = source.oneOf('preset', PRESET_NAMES);
  return name && PRESETS[name];
}

/**
 * The base from `--preset` and a network's config: with both, the network is the config's, and the rest the preset's.
 * @param described the network, if a setting other than `--network-config` gives it
 * @throws UsageError for a config that is not supported, and for one beside `described`
 */
export function readBase(source: Source, described?: Base): Base | undefined {
  const preset = readPreset(source);
  const file = source.text('networkConfig');
  if (file !== undefined && described)
    throw new UsageError(
      `${source.where('networkConfig')}: ${described.named} already gives the network; give only one of the two`,
    );
  const network = file === undefined ? described : readNetworkConfig(file);
  if (!preset) return network;
  const { given, batch, recipe } = preset;
  const named = `--preset ${source.text('preset')}`;
  if (!network) return { given, batch, recipe, named, yields: true };
  return { ...network, batch, recipe, given: { size: preset.model.size, ...network.given } };
}

/** The network in diffusers' config.json. @throws UsageError naming what is not supported */
export function readNetworkConfig(path: string): Base {
  const { config, size } = fromDiffusers(path, readJsonFileSync(path));
  // diffusers also makes networks of a size that it cannot compute without leaving out pixels.
  const fits = size !== null && size % sizeFactor(config) === 0;
  return { given: { ...config, ...(fits && { size }) }, named: path };
}

/** The base when neither a preset nor a config is given. */
export function defaultBase(source: Source): Base {
  const name = DEFAULT_PRESETS[readKind(source) ?? 'simple'];
  return { ...PRESETS[name], named: `--preset ${name}`, yields: true };
}

/**
 * The model from settings over a base.
 * @throws UsageError for settings of another network, for conflicting ones, and for those without an effect
 */
export function readModel(source: Source, { given, named, yields, fixed }: Base): ModelConfig {
  const kind = readKind(source);
  if (kind !== undefined && kind !== given.kind)
    throw new UsageError(`${source.where('network')}: ${named} has ${given.kind}, got ${kind}`);
  const changes = readGiven(given.kind, source);
  if (fixed) refuseChanges(source, given, changes, named);
  const model = changedModel(yields ? fittingNetwork(given, changes) : given, changes, named);
  refuseIdleFields(source, model);
  return model;
}

/** Settings that may differ from the network of initial weights: these fit any image size, and dropout has no weights. */
const FREE = ['size', 'dropout'];

/** @throws UsageError naming the flag of a setting that contradicts the network of initial weights */
function refuseChanges(
  source: Source,
  given: GivenModel,
  { kind, size }: GivenModel,
  named: string,
): void {
  const sized = { kind, ...(size !== undefined && { size }) } as GivenModel;
  refuseOtherNetwork(named, changedModel(given, sized, named), source, FREE);
}

/**
 * A preset's network without the fields that do not fit other widths or another size: attention at sizes that no level has, groups and
 * head sizes that do not divide. They get the network's defaults.
 */
function fittingNetwork(base: GivenModel, changes: GivenModel): GivenModel {
  if (base.kind === 'dit') {
    const { headDim, ...rest } = base;
    const [width = 0] = changes.widths ?? base.widths ?? [];
    return { ...rest, ...(headDim && width % headDim === 0 && { headDim }) };
  }
  if (base.kind !== 'unet2d' || changes.kind !== 'unet2d') return base;
  const { widths = [], size = 0, attention = [] } = { ...base, ...changes };
  const { groups = 1, headDim, attention: _, ...rest } = base;
  const levels = attention.map((side) => widths.findIndex((_, i) => size / 2 ** i === side));
  const attends = !levels.includes(-1);
  const attending = [...(attends ? levels : []).map((level) => widths[level]!), widths.at(-1) ?? 0];
  return {
    ...rest,
    ...(attends && base.attention && { attention }),
    ...(base.groups && widths.every((width) => width % groups === 0) && { groups }),
    ...(headDim && attending.every((width) => width % headDim === 0) && { headDim }),
  };
}

/** A network with changes applied. */
export function changedModel(base: GivenModel, changes: GivenModel, named: string): ModelConfig {
  const stated = { ...base, ...changes } as GivenModel;
  if (stated.size === undefined)
    throw new UsageError(`--size: ${named} gives no image size that fits; set it`);
  return checkModel(completeModel(stated));
}

/** @throws UsageError if BatchNorm would see one value per channel, which has no variance: PyTorch refuses it too */
export function checkBatch(model: ModelConfig, batch: number): void {
  if (model.kind === 'simple' && model.size === sizeFactor(model) && batch === 1)
    throw new UsageError(
      `--batch: expected 2 or more, since the smallest stage has one pixel and BatchNorm needs two values, got ${batch}`,
    );
}

/** @throws UsageError unless the fields and the size fit together */
export function checkModel(model: ModelConfig): ModelConfig {
  checkNetwork(model);
  checkSize(model, model.size);
  return model;
}
