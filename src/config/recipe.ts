import type { DiffusionConfig, TrainingConfig } from './config.js';
import { DIFFUSION_DEFAULTS } from './diffusion.js';
import { type Base, DEFAULT_BATCH } from './model.js';
import { TRAINING_DEFAULTS } from './training.js';

/** A network's training before any setting: its recipe over the defaults. */

/** A recipe gives its length in steps. */
export function trainingOf({ batch = DEFAULT_BATCH, recipe }: Base): TrainingConfig {
  const { training } = recipe ?? {};
  const length = training?.steps ? { epochs: null } : {};
  return { ...TRAINING_DEFAULTS, batch, ...training, ...length };
}

export const diffusionOf = ({ recipe }: Base): DiffusionConfig => ({
  ...DIFFUSION_DEFAULTS,
  ...recipe?.diffusion,
});
