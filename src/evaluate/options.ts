import type { ComputingConfig, SamplingConfig } from '../config/config.js';
import type { EvaluationConfig } from '../config/evaluation.js';
import type { Guide } from '../config/guide.js';
import type { OpenModel } from '../config/open-model.js';
import type { GivenImages } from '../data/given.js';
import type { Condition } from '../diffusion/guidance.js';
import type { FeatureDescription } from './feature-network.js';
import type { KernelDistance } from './kernel-distance.js';
import type { Likelihood } from './likelihood.js';
import type { NearestOf } from './nearest.js';
import type { PrecisionRecall } from './precision-recall.js';
import type { SlicedWasserstein } from './sliced-wasserstein.js';

/** A model whose samples are evaluated. */
export interface ModelSubject extends Pick<OpenModel, 'weights' | 'model' | 'diffusion' | 'notes'> {
  readonly kind: 'model';
  /** As the user names it. */
  readonly name: string;
  readonly sampling: SamplingConfig;
  /** Classes of the samples, of a model that is told them, and the names of all. */
  readonly condition: Condition | null;
  /** Other weights that they are guided by. */
  readonly guide: Guide | null;
  readonly classNames: readonly string[];
  /** Samples that are drawn. */
  readonly count: number;
}

/** Images, or statistics of the features of some, by path. */
export interface FileSubject {
  readonly kind: 'images' | 'statistics';
  readonly name: string;
}

export interface EvaluateOptions extends EvaluationConfig {
  readonly subject: ModelSubject | FileSubject;
  readonly reference: FileSubject | null;
  /** Images for the likelihood of a model. */
  readonly heldOut: string | GivenImages | null;
  readonly computing: ComputingConfig;
  readonly seed: number;
  readonly requireCuda: boolean;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: EvaluateEvent) => void;
}

export type EvaluateEvent =
  | { readonly kind: 'note'; readonly text: string }
  | {
      readonly kind: 'progress';
      readonly what: string;
      readonly done: number;
      readonly total: number;
    };

/** A set that was evaluated. */
export interface SetSummary {
  readonly name: string;
  /** Images that were read; null of statistics, which do not say. */
  readonly images: number | null;
  /** Side and channels at which they were compared; null of statistics. */
  readonly size: number | null;
  readonly channels: 1 | 3 | null;
  /** Side and filter of what was done to them before they were compared; null where they have this size already. */
  readonly scaled: string | null;
}

/** The figures. Null is what was not asked for, or what there were no images for. */
export interface Evaluation {
  readonly seed: number;
  readonly samples: SetSummary | null;
  readonly reference: SetSummary | null;
  readonly features: FeatureDescription | null;
  readonly frechet: number | null;
  readonly kernel: KernelDistance | null;
  readonly coverage: PrecisionRecall | null;
  /** Images of each set that the two were computed of. */
  readonly pairs: { readonly samples: number; readonly reference: number } | null;
  readonly slicedWasserstein: SlicedWasserstein | null;
  readonly nearest: readonly NearestOf[] | null;
  /** Of the model on images kept aside. */
  readonly likelihood:
    | (Likelihood & { readonly name: string; readonly variance: 'small' | 'large' })
    | null;
}
