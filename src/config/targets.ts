import { lossTableLength } from '../diffusion/loss-weights.js';
import { UsageError } from '../errors.js';
import type { DiffusionConfig, ModelConfig, TrainingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import type { Source } from './source.js';

/** Which timesteps are trained on, and how much each counts. */

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
    describe: 'Largest ratio of signal to noise that --weighting min-snr lets count',
    value: 'X',
    default: String(USUAL_GAMMA),
  },
  'time-sampling': {
    describe: 'How timesteps are drawn: evenly, or most in the middle, as sigmoids of normals',
    value: SAMPLINGS.join('|'),
    default: 'uniform',
  },
};

/** What these were in runs that could not choose them, too. */
export const TARGET_DEFAULTS = {
  snrGamma: null,
  lossWeights: null,
  timeSampling: 'uniform',
  labelDropout: 0,
} as const satisfies Partial<TrainingConfig>;

/** The settings of these that a source gives. @throws UsageError for one that cannot be */
export function readTargets(source: Source): Partial<TrainingConfig> {
  const weighting = source.oneOf('weighting', WEIGHTINGS);
  const gamma = source.real('snrGamma', { above: 0 });
  if (weighting === 'none' && gamma !== undefined)
    throw new UsageError(
      `${source.where('snrGamma')}: belongs to --weighting min-snr; the weighting is none`,
    );
  const lossWeights = source.reals('lossWeights', { min: 0 }, [1, 100_000]);
  if (lossWeights && (weighting ?? gamma) !== undefined)
    throw new UsageError(
      `${source.where('lossWeights')}: weights of one's own do not go with --weighting`,
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

/** @throws UsageError for a network that has no such layers, and beside weights to begin with */
export function checkZeroInit({ kind }: ModelConfig, { zeroInit, init }: TrainingConfig): void {
  if (!zeroInit) return;
  if (kind !== 'unet2d')
    throw new UsageError(`--zero-init: belongs to --network unet2d; the network is ${kind}`);
  if (init !== null)
    throw new UsageError('--zero-init: the weights are those of --init; leave one of the two out');
}

/**
 * Training without what was not asked for and does not go with what was: weights of the loss for flow, and zeros for a network
 * that has no such layers or begins with other weights.
 * @param asked what settings gave
 */
export function fittingTargets(
  { model, diffusion }: { readonly model: ModelConfig; readonly diffusion: DiffusionConfig },
  training: TrainingConfig,
  asked: Partial<TrainingConfig>,
): TrainingConfig {
  const weighs = diffusion.objective !== 'flow' || asked.snrGamma !== undefined;
  const fresh = model.kind === 'unet2d' && training.init === null;
  return {
    ...training,
    ...(!weighs && { snrGamma: null }),
    ...(!fresh && asked.zeroInit === undefined && { zeroInit: false }),
  };
}

/** @throws UsageError for weights of a loss that has none, and for another number of them than there are timesteps */
export function checkTargets(
  { objective = 'epsilon', timesteps }: DiffusionConfig,
  { snrGamma, lossWeights }: TrainingConfig,
): void {
  const expected = lossTableLength({ objective, timesteps });
  if (lossWeights && lossWeights.length !== expected)
    throw new UsageError(
      `lossWeights: expected ${expected} weights, one a timestep, got ${lossWeights.length}`,
    );
  if (objective === 'flow' && snrGamma !== null)
    throw new UsageError('--weighting: min-snr is for --objective epsilon, x0 and v, not flow');
}
