/**
 * Replicas: data parallelism with little communication (DiLoCo, Douillard et al., 2023). Each replica trains separately for some steps;
 * then all continue from their combined weights.
 */
import { UsageError } from '../errors.js';
import type { TrainingConfig } from './config.js';
import { type Flags, given } from './flag.js';
import type { Source } from './source.js';

/** The paper's outer optimizer: Nesterov's momentum. */
const OUTER = { lr: 0.7, momentum: 0.9 } as const;

/** Each replica keeps its own weights and moments: more would not fit into any machine. */
const MOST_REPLICAS = 1024;

export const replicaFlags: Flags = {
  replicas: {
    describe:
      'Number of replicas, each with its own --batch images per step; they are averaged every --sync-every steps',
    value: 'N',
    default: '1',
  },
  'sync-every': {
    describe:
      'Steps of each replica per round; a round ends with one outer optimizer step along their mean change (DiLoCo)',
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

/** The defaults, which also hold for runs older than these settings. */
export const REPLICA_DEFAULTS = {
  replicas: 1,
  syncEvery: null,
  outerLr: null,
  outerMomentum: null,
} as const satisfies Partial<TrainingConfig>;

/** Reads the replica settings from a source. @throws UsageError for an invalid one */
export const readReplicas = (source: Source): Partial<TrainingConfig> =>
  given<Pick<TrainingConfig, keyof typeof REPLICA_DEFAULTS>>({
    replicas: source.whole('replicas', { min: 1, max: MOST_REPLICAS }),
    syncEvery: source.whole('syncEvery', { min: 1, max: 1e9 }),
    outerLr: source.real('outerLr', { above: 0, max: 10 }),
    outerMomentum: source.real('outerMomentum', { min: 0, below: 1 }),
  });

/** Fills in the outer optimizer if the run has rounds. @throws UsageError for its settings without rounds */
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

/** @throws UsageError for replicas that are never averaged */
export function checkReplicas({ replicas, syncEvery }: TrainingConfig): void {
  if (replicas > 1 && syncEvery === null)
    throw new UsageError(
      `--replicas: expected --sync-every with it, the steps of a round, for ${replicas} replicas`,
    );
}

/** Images per step, over all replicas. */
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

/** The outer optimizer of a run with rounds. */
export const outerOf = ({
  outerLr,
  outerMomentum,
}: Pick<TrainingConfig, 'outerLr' | 'outerMomentum'>): Outer => ({
  lr: outerLr ?? OUTER.lr,
  momentum: outerMomentum ?? OUTER.momentum,
});

/** The training settings of a single replica, without rounds. */
export const ofOneReplica = (training: TrainingConfig): TrainingConfig => ({
  ...training,
  ...REPLICA_DEFAULTS,
});
