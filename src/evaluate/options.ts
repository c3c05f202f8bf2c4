import type { ComputingConfig, SamplingConfig } from '../config/config.js';
import type { EvaluationConfig } from '../config/evaluation.js';
import type { Guide } from '../config/guide.js';
import type { OpenModel } from '../config/open-model.js';
import type { PictureShape } from '../config/picture-shape.js';
import type { GivenImages } from '../data/given.js';
import type { Condition } from '../diffusion/guidance.js';
import type { FeatureDescription } from './feature-network.js';
import type { KernelDistance } from './kernel-distance.js';
import type { Likelihood } from './likelihood.js';
import type { NearestOf } from './nearest.js';
import type { PrecisionRecall } from './precision-recall.js';
import type { SlicedWasserstein } from './sliced-wasserstein.js';

/** A model whose samples are evaluated. */
export interface ModelSubject
  extends Pick<OpenModel, 'weights' | 'model' | 'autoencoder' | 'diffusion' | 'notes'> {
  readonly kind: 'model';
  /** The user's name for it. */
  readonly name: string;
  /** Where its run has its images from; null for a model without one. */
  readonly trainedOn: string | null;
  /** Its pictures. */
  readonly pictures: PictureShape;
  readonly sampling: SamplingConfig;
  /** Classes of the samples, for a class-conditional model, and the names of all classes. */
  readonly condition: Condition | null;
  /** Other weights that guide the samples. */
  readonly guide: Guide | null;
  readonly classNames: readonly string[];
  /** Number of samples to draw. */
  readonly count: number;
}

/** Images, or statistics of features, by path. */
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
  /** Number of images read; null for statistics, which do not give it. */
  readonly images: number | null;
  /** Size and channels at which they were compared; null for statistics. */
  readonly size: number | null;
  readonly channels: 1 | 3 | null;
  /** Size and filter of the scaling before they were compared; null if none was needed. */
  readonly scaled: string | null;
}

/** The figures; null if not requested, or if there were no images for it. */
export interface Evaluation {
  readonly seed: number;
  readonly samples: SetSummary | null;
  readonly reference: SetSummary | null;
  readonly features: FeatureDescription | null;
  /**
   * Fréchet distance of the features, in their squared units: |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2·(Σ₁·Σ₂)^½) (Heusel et al. 2017, eq. 6); 0 for equal
   * means and covariances.
   */
  readonly frechet: number | null;
  /** Kernel distance of the features: the unbiased squared MMD of the kernel (x·y/d + 1)³ over subsets (Bińkowski et al. 2018). */
  readonly kernel: KernelDistance | null;
  /** Shares from 0 to 1, by the nearest neighbours of the features (Kynkäänniemi et al. 2019, eq. 2). */
  readonly coverage: PrecisionRecall | null;
  /** Number of images of each set in pairwise figures. */
  readonly pairs: { readonly samples: number; readonly reference: number } | null;
  readonly slicedWasserstein: SlicedWasserstein | null;
  readonly nearest: readonly NearestOf[] | null;
  /** Of the model on held-out images, or on their latents, of which there are losses alone: `variance` is null then. */
  readonly likelihood:
    | (Likelihood & { readonly name: string; readonly variance: 'small' | 'large' | null })
    | null;
}
