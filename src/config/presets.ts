import type { NetworkKind } from '../network/network.js';
import type { ModelConfig } from './config.js';
import { completeModel, type GivenModel } from './network-settings.js';

/** A model and the batch it is trained with. */
export interface Preset {
  readonly model: ModelConfig;
  /** What the preset says of the model; the rest of it follows. */
  readonly given: GivenModel;
  readonly batch: number;
}

function preset<K extends NetworkKind>(
  given: Extract<GivenModel, { kind: K }>,
  batch: number,
): Preset & { readonly model: Extract<ModelConfig, { kind: K }> } {
  return { model: completeModel(given) as Extract<ModelConfig, { kind: K }>, given, batch };
}

/**
 * `reference` is the walk-through's own set-up: 62,438,883 parameters; the other simple ones train in minutes. The
 * U-Nets of diffusers are such as two cores train in an evening.
 */
export const PRESETS = {
  reference: preset({ kind: 'simple', size: 64, widths: [64, 128, 256, 512, 1024] }, 128),
  small: preset({ kind: 'simple', size: 32, widths: [32, 64, 128, 256] }, 64),
  tiny: preset({ kind: 'simple', size: 32, widths: [16, 32, 64, 128] }, 32),
  'unet2d-32': preset({ kind: 'unet2d', size: 32, widths: [32, 64, 128] }, 64),
  'unet2d-64': preset({ kind: 'unet2d', size: 64, widths: [32, 64, 96, 128] }, 32),
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];

/** The preset that a network has where none is named. */
export const DEFAULT_PRESETS = {
  simple: 'reference',
  unet2d: 'unet2d-32',
} as const satisfies Record<NetworkKind, PresetName>;
