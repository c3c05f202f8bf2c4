import type { SimpleConfig } from '../network/simple.js';

/** A model and the batch it is trained with. */
export interface Preset {
  readonly model: SimpleConfig & { readonly size: number };
  readonly batch: number;
}

const preset = (size: number, widths: number[], batch: number): Preset => ({
  model: { kind: 'simple', size, widths, channels: 3, timeDim: 32, norm: 'separate' },
  batch,
});

/** `reference` is the walk-through's own set-up: 62,438,883 parameters; the others train in minutes. */
export const PRESETS = {
  reference: preset(64, [64, 128, 256, 512, 1024], 128),
  small: preset(32, [32, 64, 128, 256], 64),
  tiny: preset(32, [16, 32, 64, 128], 32),
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];
