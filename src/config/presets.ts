import type { NetworkKind } from '../network/network.js';
import type {
  DataConfig,
  DiffusionConfig,
  ModelConfig,
  RunSampling,
  TrainingConfig,
} from './config.js';
import { completeModel, type GivenModel } from './network-settings.js';

/*
 * The presets: each has a network, its batch, and, if it is a recipe, training and sampling settings. Help,
 * `inspect`, the README's table and the advice of `haze train` come from this table.
 */

/** A preset's settings beside its network and batch; everything else has the flags' defaults. */
export interface Recipe {
  readonly diffusion?: Partial<DiffusionConfig>;
  readonly data?: Partial<Pick<DataConfig, 'fit' | 'flip'>>;
  readonly training?: Partial<Omit<TrainingConfig, 'batch' | 'epochs'>>;
  readonly sampling?: RunSampling;
}

/** A model, its batch, and how it is trained. */
export interface Preset {
  /** Its purpose, in a line. */
  readonly about: string;
  readonly model: ModelConfig;
  /** The fields of the model that the preset gives; the rest follows. */
  readonly given: GivenModel;
  readonly batch: number;
  readonly recipe: Recipe;
  /** Minutes on two cores from which it draws the best pictures of all presets; without it, it has another purpose. */
  readonly from?: number;
}

type ModelOf<K extends NetworkKind> = Extract<ModelConfig, { kind: K }>;

function preset<K extends NetworkKind>(
  about: string,
  given: Extract<GivenModel, { kind: K }>,
  batch: number,
  recipe: Recipe = {},
  from?: number,
): Preset & { readonly model: ModelOf<K> } {
  const model = completeModel(given) as ModelOf<K>;
  return { about, model, given, batch, recipe, ...(from !== undefined && { from }) };
}

/** Settings that all recipes share. */
const DIFFUSION = {
  objective: 'v',
  schedule: 'cosine',
  timesteps: 1000,
  loss: 'l2',
} as const satisfies Partial<DiffusionConfig>;

const TRAINING = {
  optimizer: 'muon',
  lr: 0.001,
  muonLr: 0.02,
  betas: [0.9, 0.99],
  weightDecay: 1e-4,
  warmup: 100,
  decay: 'linear',
  decayFloor: 0.02,
  clip: 1,
  ema: [0.999],
  snrGamma: 5,
  timeSampling: 'logit-normal',
  zeroInit: true,
} as const satisfies Partial<TrainingConfig>;

const SAMPLING = {
  sampler: 'ddim',
  eta: 1,
  steps: 50,
  spacing: 'linspace',
  clamp: 1,
} as const satisfies RunSampling;

/** A recipe of the given steps, with its differences from the others. */
const recipe = (
  steps: number,
  { diffusion, data, training, sampling }: Recipe = {},
): Recipe & { readonly training: { readonly steps: number } } => ({
  diffusion: { ...DIFFUSION, ...diffusion },
  ...(data && { data }),
  training: { ...TRAINING, ...training, steps },
  sampling: { ...SAMPLING, ...sampling },
});

/** A UNet2DModel with one block per level and attention at one size. */
const attending = (size: number, widths: readonly number[], attention: number) =>
  ({
    kind: 'unet2d',
    ...{ size, widths, layers: 1, attention: [attention] },
    ...{ headDim: 32, groups: 8 },
  }) as const;

export const PRESETS = {
  reference: preset(
    "the walk-through's own set-up, for hours on many cores or a GPU",
    { kind: 'simple', size: 64, widths: [64, 128, 256, 512, 1024] },
    128,
  ),
  small: preset(
    "the walk-through's network, narrower",
    { kind: 'simple', size: 32, widths: [32, 64, 128, 256] },
    64,
  ),
  tiny: preset(
    'a first look at training, in seconds',
    { kind: 'simple', size: 32, widths: [16, 32, 64, 128] },
    32,
  ),
  'unet2d-32': preset(
    "diffusers' network with the walk-through's training",
    { kind: 'unet2d', size: 32, widths: [32, 64, 128] },
    64,
  ),
  'unet2d-64': preset(
    'the same at 64 pixels',
    { kind: 'unet2d', size: 64, widths: [32, 64, 96, 128] },
    32,
  ),
  'minutes-32': preset(
    'small pictures in a few minutes on two cores',
    attending(32, [16, 32, 64], 8),
    32,
    recipe(800, { training: { ema: [0.995], warmup: 50, keepGuide: 480 } }),
    3,
  ),
  'pictures-32': preset(
    'pictures of 32 pixels, from a quarter of an hour on',
    attending(32, [32, 64, 128], 8),
    32,
    // In a long run, guides from steps 300 to 900 guided too strongly, and the one from step 5,175 hardly at all (docs/QUALITY.md).
    recipe(4800, { training: { ema: [0.998], keepGuide: 1200 } }),
    15,
  ),
  'pictures-64': preset(
    'pictures of 64 pixels, from some hours on',
    attending(64, [32, 64, 96, 128], 8),
    32,
    recipe(12_000, { training: { keepGuide: 3000 } }),
    120,
  ),
  // No best pictures of its minutes: a transformer learns from more images what a U-Net begins with.
  'dit-32': preset(
    'a diffusion transformer for pictures of 32 pixels',
    { kind: 'dit', size: 32, channels: 3, widths: [192], depth: 6, patch: 4 },
    32,
    recipe(4800, { training: { ema: [0.998], keepGuide: 1200 } }),
  ),
  'sprites-28': preset(
    'grey sprites, digits and garments of 28 pixels, in ten minutes',
    { ...attending(28, [32, 64, 96], 7), channels: 1 },
    32,
    // Of a few hundred sprites, weights at a quarter of the steps know too little to guide away from. Timesteps mostly from the middle leave
    // grain on their plain backgrounds.
    recipe(1400, { training: { ema: [0.998], keepGuide: null, timeSampling: 'uniform' } }),
    3,
  ),
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

/** The preset of a network when none is named. */
export const DEFAULT_PRESETS = {
  simple: 'reference',
  unet2d: 'unet2d-32',
  dit: 'dit-32',
} as const satisfies Record<NetworkKind, PresetName>;
