import { ADAM, type Optimizer } from '../contracts/device.js';
import { UsageError } from '../errors.js';
import type { TrainingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import { REPLICA_DEFAULTS, withRounds } from './replicas.js';
import type { Source } from './source.js';
import { TARGET_DEFAULTS } from './targets.js';

/** Settings of the update: the optimizer, its learning rate over the run, and the averages of the weights. */

const ADAM_BETAS = [ADAM.beta1, ADAM.beta2] as const;

/** PyTorch's default for AdamW. */
const ADAMW_DECAY = 0.01;

/** Muon's momentum, and its default learning rate (Jordan et al., 2024). */
const MUON_MOMENTUM = 0.95;
const MUON_RATE = 0.02;

/** The most averages of the weights that a run can keep: each takes as much memory as the weights. */
const MOST_AVERAGES = 4;

const OPTIMIZERS = ['adam', 'adamw', 'muon'] as const;
const DECAYS = ['constant', 'linear', 'cosine'] as const;

export const optimizerFlags: Flags = {
  lr: { describe: 'Learning rate', value: 'X', default: '0.001' },
  warmup: {
    describe: 'Steps over which the learning rate rises linearly to --lr',
    value: 'N',
    default: '0',
  },
  decay: {
    describe:
      "How the learning rate decays until the run's end; a resume with other --steps follows the new length",
    value: DECAYS.join('|'),
    default: 'constant',
  },
  'decay-floor': {
    describe: 'Share of --lr that --decay linear and cosine end at',
    value: 'X',
    default: '0',
  },
  optimizer: {
    describe:
      'Adam; AdamW, which has a weight decay; or Muon for matrices and convolutions, with AdamW for the rest',
    value: OPTIMIZERS.join('|'),
    default: 'adam',
  },
  'muon-lr': {
    describe: 'Learning rate of Muon; --lr is that of AdamW for the rest',
    value: 'X',
    default: String(MUON_RATE),
  },
  betas: {
    describe: 'Decay rates of both moments',
    value: 'X,X',
    default: ADAM_BETAS.join(','),
  },
  epsilon: {
    describe: 'Added to the root of the second moment',
    value: 'X',
    default: '1e-8',
  },
  'weight-decay': {
    describe: "AdamW's weight decay per step, multiplied by --lr",
    value: 'X',
    default: String(ADAMW_DECAY),
  },
  clip: {
    describe: 'Largest global norm of the gradients; larger ones are scaled down',
    value: 'X|none',
    default: 'none',
  },
  accumulate: {
    describe: 'Batches per step, whose gradients are added up as in one larger batch',
    value: 'N',
    default: '1',
  },
  ema: {
    describe: `Keep averages (EMA) of the weights with these decays, ${MOST_AVERAGES} at most; sampling uses the first`,
    value: 'X[,X]|none',
    default: 'none',
  },
};

/** The values of these and of `targets.ts`' settings in runs that were made before the settings existed. */
export const OPTIMIZER_DEFAULTS = {
  optimizer: 'adam',
  muonLr: null,
  betas: ADAM_BETAS,
  epsilon: ADAM.epsilon,
  weightDecay: ADAM.decay,
  clip: ADAM.clip,
  warmup: 0,
  decay: 'constant',
  decayFloor: 0,
  ema: [],
  accumulate: 1,
  ...REPLICA_DEFAULTS,
  zeroInit: false,
  grow: null,
  keepGuide: null,
  ...TARGET_DEFAULTS,
} as const satisfies Partial<TrainingConfig>;

/** The optimizer settings that a source gives. @throws UsageError for an invalid one */
export function readOptimizer(source: Source): Partial<TrainingConfig> {
  const clip = source.realOr('clip', { above: 0 }, ['none']);
  return given<TrainingConfig>({
    lr: source.real('lr', { above: 0 }),
    warmup: source.whole('warmup', { min: 0, max: 1e9 }),
    decay: source.oneOf('decay', DECAYS),
    decayFloor: source.real('decayFloor', { min: 0, max: 1 }),
    optimizer: source.oneOf('optimizer', OPTIMIZERS),
    muonLr: source.real('muonLr', { above: 0 }),
    betas: source.reals('betas', { min: 0, below: 1 }, 2) as [number, number] | undefined,
    epsilon: source.real('epsilon', { above: 0 }),
    weightDecay: source.real('weightDecay', { min: 0 }),
    clip: clip === 'none' ? null : clip,
    ema: readDecays(source),
    accumulate: source.whole('accumulate', { min: 1, max: 65_536 }),
  } as { [K in keyof TrainingConfig]: TrainingConfig[K] | undefined });
}

function readDecays(source: Source): number[] | undefined {
  const decays = source.reals('ema', { min: 0, below: 1 }, [0, MOST_AVERAGES], 'none');
  const twice = decays?.find((decay, i) => decays.indexOf(decay) < i);
  if (twice === undefined) return decays;
  throw new UsageError(`${source.where('ema')}: expected each decay once, got ${twice} twice`);
}

/**
 * A run's training with the given settings in place of its own.
 * @throws UsageError for a setting that belongs to another optimizer or decay
 */
export function withTraining(
  base: TrainingConfig,
  settings: Partial<TrainingConfig>,
): TrainingConfig {
  const merged = { ...base, ...settings };
  const training = merged.decay === 'constant' ? { ...merged, decayFloor: 0 } : merged;
  if (settings.decayFloor && training.decay === 'constant')
    throw new UsageError(
      '--decay-floor: belongs to --decay linear and cosine; the decay is constant',
    );
  return withRounds(settings, withMuonRate(settings, withWeightDecay(base, settings, training)));
}

function withMuonRate(settings: Partial<TrainingConfig>, training: TrainingConfig): TrainingConfig {
  if (training.optimizer === 'muon') return { ...training, muonLr: training.muonLr ?? MUON_RATE };
  if (settings.muonLr !== undefined)
    throw new UsageError(
      `--muon-lr: belongs to --optimizer muon; the optimizer is ${training.optimizer}`,
    );
  return { ...training, muonLr: null };
}

function withWeightDecay(
  base: TrainingConfig,
  settings: Partial<TrainingConfig>,
  training: TrainingConfig,
): TrainingConfig {
  if (training.optimizer !== 'adam') {
    const chosen = settings.weightDecay !== undefined || base.optimizer !== 'adam';
    return chosen ? training : { ...training, weightDecay: ADAMW_DECAY };
  }
  if (settings.weightDecay)
    throw new UsageError(
      '--weight-decay: belongs to --optimizer adamw and muon; the optimizer is adam',
    );
  return base.optimizer === 'adam' ? training : { ...training, weightDecay: 0 };
}

/** The optimizer as devices expect it. */
export function optimizerOf(training: TrainingConfig): Optimizer {
  const { betas, epsilon, weightDecay, clip, optimizer, lr, muonLr } = training;
  const ratio = (muonLr ?? MUON_RATE) / lr;
  return {
    ...{ beta1: betas[0], beta2: betas[1], epsilon, decay: weightDecay, clip },
    ...(optimizer === 'muon' && { muon: { momentum: MUON_MOMENTUM, ratio } }),
  };
}
