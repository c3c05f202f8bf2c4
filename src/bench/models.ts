/** The measured models, and how each is trained. */
import { DIFFUSION_DEFAULTS } from '../config/diffusion.js';
import { completeModel } from '../config/network-settings.js';
import { PRESETS } from '../config/presets.js';
import { ADAM } from '../contracts/device.js';
import type { NetworkKind } from '../network/network.js';
import type { NamedModel, Training } from './options.js';

/** A model and its description, for the table of docs/BENCHMARKS.md. */
export interface MeasuredModel extends NamedModel {
  readonly about: string;
}

export const MODELS = {
  reference: {
    name: 'reference',
    model: PRESETS.reference.model,
    about: "the walk-through's U-Net: BatchNorm, ReLU, convolutions of stride 2",
  },
  tiny: {
    name: 'tiny',
    model: PRESETS.tiny.model,
    about: 'the same with fewer and narrower stages',
  },
  'unet2d-32': {
    name: 'unet2d-32',
    model: PRESETS['unet2d-32'].model,
    about:
      "diffusers' UNet2DModel of widths 32, 64 and 128: two residual blocks a level, attention on the last level in heads of 8 channels, norms of 32 groups, SiLU",
  },
  'ddpm-cifar10-32': {
    name: 'ddpm-cifar10-32',
    model: completeModel({
      ...{ kind: 'unet2d', size: 32, widths: [128, 256, 256, 256], attention: [16], headDim: null },
      ...{ eps: 1e-6, flipSinToCos: false, freqShift: 1, downPadding: 0 },
    }),
    about:
      'the UNet2DModel of google/ddpm-cifar10-32: widths 128, 256, 256 and 256, attention at 16x16 in one head',
  },
} as const satisfies Record<string, MeasuredModel>;

export type ModelName = keyof typeof MODELS;

/** The batch of a model chosen by flags, and of the large ones. */
export const BATCH = 8;

export type Pass = 'forward' | 'train';

/*
 * What is measured without flags.
 */

/** For `unet`: batches, single pictures, and training. */
export const PASSES: readonly (readonly [model: ModelName, what: Pass, batch: number])[] = [
  ['reference', 'forward', BATCH],
  ['reference', 'forward', 1],
  ['reference', 'train', BATCH],
  ['tiny', 'train', PRESETS.tiny.batch],
  ['unet2d-32', 'forward', PRESETS['unet2d-32'].batch],
  ['unet2d-32', 'train', PRESETS['unet2d-32'].batch],
  ['ddpm-cifar10-32', 'forward', BATCH],
  ['ddpm-cifar10-32', 'train', BATCH],
];

/** For `unet --layers`, each in the batch of its first pass. */
export const LAYERED: readonly ModelName[] = ['reference', 'unet2d-32'];

/** For `sample` and `generate`. */
export const SAMPLED: readonly ModelName[] = ['reference', 'unet2d-32'];
export const GENERATED: readonly ModelName[] = ['tiny', 'unet2d-32'];

/**
 * The schedule of what is drawn in few steps. It has less noise than usual: over all of it, an untrained network would turn
 * rounding errors into other pictures.
 */
export const FEW_STEPS = { ...DIFFUSION_DEFAULTS, timesteps: 1000, betaEnd: 0.002 };

/** How a network is trained here: as its authors train it. */
const TRAINING = {
  simple: { loss: 'l1', optimizer: ADAM, ema: [], lr: 1e-3 },
  unet2d: { loss: 'l2', optimizer: { ...ADAM, decay: 0.01 }, ema: [], lr: 1e-4 },
  dit: { loss: 'l2', optimizer: ADAM, ema: [], lr: 1e-4 },
} as const satisfies Record<NetworkKind, Training>;

/** How a measured model is trained: by its recipe, else as above. */
export const trainingOf = ({ model, recipe }: Omit<NamedModel, 'name'>): Training =>
  recipe ?? TRAINING[model.kind];
