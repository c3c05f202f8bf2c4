/**
 * Replicas: data parallelism that talks little (DiLoCo, Douillard et al., 2023). Each replica takes some steps of its own; then all go on
 * from what they have come to together.
 */
import { UsageError } from '../errors.js';
import type { TrainingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import type { Source } from './source.js';

/** The paper's outer optimizer: Nesterov's momentum. */
const OUTER = { lr: 0.7, momentum: 0.9 } as const;

/** Each keeps its weights and moments: more than any machine has memory for. */
const MOST_REPLICAS = 1024;

export const replicaFlags: Flags = {
  replicas: {
    describe:
      'Train so many replicas, each on --batch images a step of its own, which come together every --sync-every steps',
    value: 'N',
    default: '1',
  },
  'sync-every': {
    describe:
      'Steps of each replica in a round, which ends with one step of an outer optimizer along their mean change (DiLoCo)',
    value: 'N',
    default: 'no rounds',
  },
  'outer-lr': {
    describe: 'Step size of the outer optimizer; 1 with --outer-momentum 0 is plain averaging',
    value: 'X',
    default: String(OUTER.lr),
  },
  'outer-momentum': {
    describe: "The outer optimizer's momentum (Nesterov)",
    value: 'X',
    default: String(OUTER.momentum),
  },
};

/** What these were in runs that could not choose them, too. */
export const REPLICA_DEFAULTS = {
  replicas: 1,
  syncEvery: null,
  outerLr: null,
  outerMomentum: null,
} as const satisfies Partial<TrainingConfig>;

/** The settings of these that a source gives. @throws UsageError for one that cannot be */
export const readReplicas = (source: Source): Partial<TrainingConfig> =>
  given<Pick<TrainingConfig, keyof typeof REPLICA_DEFAULTS>>({
    replicas: source.whole('replicas', { min: 1, max: MOST_REPLICAS }),
    syncEvery: source.whole('syncEvery', { min: 1, max: 1e9 }),
    outerLr: source.real('outerLr', { above: 0, max: 10 }),
    outerMomentum: source.real('outerMomentum', { min: 0, below: 1 }),
  });

/** A run's training with the outer optimizer where it has rounds, and without where it has none. @throws UsageError */
export function withRounds(
  settings: Partial<TrainingConfig>,
  training: TrainingConfig,
): TrainingConfig {
  checkReplicas(training);
  if (training.syncEvery !== null) {
    const { lr, momentum } = outerOf(training);
    return { ...training, outerLr: lr, outerMomentum: momentum };
  }
  for (const [name, value] of [
    ['--outer-lr', settings.outerLr],
    ['--outer-momentum', settings.outerMomentum],
  ] as const)
    if (value !== undefined && value !== null)
      throw new UsageError(`${name}: belongs to --sync-every; the run has no rounds`);
  return training;
}

/** @throws UsageError for replicas that never come together */
export function checkReplicas({ replicas, syncEvery }: TrainingConfig): void {
  if (replicas > 1 && syncEvery === null)
    throw new UsageError(
      `--replicas: expected --sync-every with it, the steps of a round, for ${replicas} replicas`,
    );
}

/** Images of a step, of all replicas together. */
export const imagesOfStep = ({
  batch,
  accumulate,
  replicas,
}: Pick<TrainingConfig, 'batch' | 'accumulate' | 'replicas'>): number =>
  batch * accumulate * replicas;

/** The outer optimizer: θ ← θ + lr·(momentum·b + Δ) with b ← momentum·b + Δ, where Δ is the mean change of the replicas. */
export interface Outer {
  readonly lr: number;
  readonly momentum: number;
}

/** That of a run with rounds. */
export const outerOf = ({
  outerLr,
  outerMomentum,
}: Pick<TrainingConfig, 'outerLr' | 'outerMomentum'>): Outer => ({
  lr: outerLr ?? OUTER.lr,
  momentum: outerMomentum ?? OUTER.momentum,
});

/** The training of one replica by itself, without rounds. */
export const ofOneReplica = (training: TrainingConfig): TrainingConfig => ({
  ...training,
  ...REPLICA_DEFAULTS,
});
