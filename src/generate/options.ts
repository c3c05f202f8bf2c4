import type {
  ComputingConfig,
  DiffusionConfig,
  ModelConfig,
  SamplingConfig,
} from '../config/config.js';
import type { GenerationConfig, Shard } from '../config/generation.js';
import type { Drawn } from '../config/guide.js';
import type { AutoencoderFiles } from '../io/autoencoder.js';

/** `2-of-5`: a shard in the names of files and locks. */
export const shardName = ({ index, of }: Shard): string => `${index}-of-${of}`;

/** Many images of a model as files, by workers that each draw their own batches. */
export interface GenerateOptions extends GenerationConfig, Partial<Drawn> {
  /** Path of the file of weights, as `readWeights` takes it. */
  readonly weights: string;
  /** Passed on first, as notes: what was assumed about the weights. */
  readonly notes?: readonly string[];
  readonly model: ModelConfig;
  /** What decodes the images of a model of latents; default null, images are pictures. */
  readonly autoencoder?: AutoencoderFiles | null;
  readonly diffusion: DiffusionConfig;
  readonly sampling: SamplingConfig;
  /** Names of the classes by label, for the manifest; default their numbers. */
  readonly classNames?: readonly string[];
  readonly computing: ComputingConfig;
  readonly seed: number;
  /** Fail with a CheckError unless a CUDA GPU computes. */
  readonly requireCuda: boolean;
  /** Aborted when the user interrupts: Interrupted is thrown once the finished images are on disk. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: GenerateEvent) => void;
}

export type GenerateEvent = { readonly kind: 'note'; readonly text: string } | GenerateProgress;

/** Progress of the shard, in images. */
export interface GenerateProgress {
  readonly kind: 'progress';
  /** Images whose files exist, and all images; both include those of an earlier run. */
  readonly done: number;
  readonly total: number;
  /** `done`, plus the finished share of the images in progress. */
  readonly exact: number;
  readonly imagesPerSecond: number;
  /** Workers lost so far. */
  readonly lost: number;
}

export interface GenerateResult {
  readonly made: number;
  /** Images of this shard that already existed. */
  readonly kept: number;
  /** From the first batch to the last file. */
  readonly seconds: number;
  /** Unfinished images of other shards; only determined for a format with one file for all. */
  readonly awaited: number;
}
