import { lossTableLength } from '../diffusion/loss-weights.js';
import { UsageError } from '../errors.js';
import { hasZeros } from '../network/initial-state.js';
import type { DiffusionConfig, ModelConfig, TrainingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import { KINDS } from './network-fields.js';
import { ofOthers } from './network-settings.js';
import type { Source } from './source.js';

/** Which timesteps are trained on, and the weight of each. */

/** Hang et al. (2023). */
const USUAL_GAMMA = 5;

const WEIGHTINGS = ['none', 'min-snr'] as const;
const SAMPLINGS = ['uniform', 'logit-normal'] as const;

export const targetFlags: Flags = {
  weighting: {
    describe: 'Weights of the loss by timestep: none, or min-SNR for any objective but flow',
    value: WEIGHTINGS.join('|'),
    default: 'none',
  },
  'snr-gamma': {
    describe: 'Largest signal-to-noise ratio that --weighting min-snr counts',
    value: 'X',
    default: String(USUAL_GAMMA),
  },
  'time-sampling': {
    describe: 'How timesteps are drawn: uniformly, or mostly in the middle, as sigmoids of normals',
    value: SAMPLINGS.join('|'),
    default: 'uniform',
  },
};

/** Their values in runs that were made before the settings existed. */
export const TARGET_DEFAULTS = {
  snrGamma: null,
  lossWeights: null,
  timeSampling: 'uniform',
  labelDropout: 0,
} as const satisfies Partial<TrainingConfig>;

/** The target settings that a source gives. @throws UsageError for an invalid one */
export function readTargets(source: Source): Partial<TrainingConfig> {
  const weighting = source.oneOf('weighting', WEIGHTINGS);
  const gamma = source.real('snrGamma', { above: 0 });
  if (weighting === 'none' && gamma !== undefined)
    throw new UsageError(
      `${source.where('snrGamma')}: belongs to --weighting min-snr, got --weighting none`,
    );
  const lossWeights = source.reals('lossWeights', { min: 0 }, [1, 100_000]);
  // A program's own weights are its `weighting`, a function.
  if (lossWeights && weighting === undefined && gamma !== undefined)
    throw new UsageError(
      `${source.where('snrGamma')}: belongs to --weighting min-snr, got custom weights`,
    );
  if (lossWeights && weighting !== undefined)
    throw new UsageError(
      `${source.where('lossWeights')}: custom weights cannot be combined with --weighting`,
    );
  const timeSampling = source.oneOf('timeSampling', SAMPLINGS);
  return {
    ...given<Pick<TrainingConfig, 'timeSampling'>>({ timeSampling }),
    ...(lossWeights && { lossWeights, snrGamma: null }),
    ...((weighting ?? gamma) !== undefined && { lossWeights: null }),
    ...(weighting === 'none' && { snrGamma: null }),
    ...(weighting === 'min-snr' && { snrGamma: gamma ?? USUAL_GAMMA }),
    ...(weighting === undefined && gamma !== undefined && { snrGamma: gamma }),
  };
}

/** @throws UsageError for a network without such layers, and together with initial weights */
export function checkZeroInit({ kind }: ModelConfig, { zeroInit, init }: TrainingConfig): void {
  if (!zeroInit) return;
  if (!hasZeros(kind))
    throw new UsageError(`--zero-init: ${ofOthers(KINDS.filter(hasZeros), kind)}`);
  if (init !== null)
    throw new UsageError('--zero-init: --init already gives the weights; give only one of the two');
}

/**
 * Training without preset values that conflict with the given settings: loss weights for flow, and zeros for a network
 * without such layers or with initial weights.
 * @param asked the given settings
 */
export function fittingTargets(
  { model, diffusion }: { readonly model: ModelConfig; readonly diffusion: DiffusionConfig },
  training: TrainingConfig,
  asked: Partial<TrainingConfig>,
): TrainingConfig {
  const weighs = diffusion.objective !== 'flow' || asked.snrGamma !== undefined;
  const fresh = hasZeros(model.kind) && training.init === null;
  return {
    ...training,
    ...(!weighs && { snrGamma: null }),
    ...(!fresh && asked.zeroInit === undefined && { zeroInit: false }),
  };
}

/** @throws UsageError for weights of a loss that supports none, and for a count that differs from the timesteps */
export function checkTargets(
  { objective = 'epsilon', timesteps }: DiffusionConfig,
  { snrGamma, lossWeights }: TrainingConfig,
): void {
  const expected = lossTableLength({ objective, timesteps });
  if (lossWeights && lossWeights.length !== expected)
    throw new UsageError(
      `lossWeights: expected ${expected} weights, one per timestep, got ${lossWeights.length}`,
    );
  if (objective === 'flow' && snrGamma !== null)
    throw new UsageError('--weighting: min-snr is for --objective epsilon, x0 and v, not flow');
}
