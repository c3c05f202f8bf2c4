import type {
  ComputingConfig,
  DiffusionConfig,
  ModelConfig,
  SamplingConfig,
} from '../config/config.js';
import type { GenerationConfig, Shard } from '../config/generation.js';
import type { Drawn } from '../sample/options.js';

/** `2-of-5`: how files and locks name a shard. */
export const shardName = ({ index, of }: Shard): string => `${index}-of-${of}`;

/** Many images of a model as files, by workers that each make batches of their own. */
export interface GenerateOptions extends GenerationConfig, Partial<Drawn> {
  /** Path of the file of weights, as `readWeights` takes it. */
  readonly weights: string;
  /** Told first, as notes: what was assumed of the weights. */
  readonly notes?: readonly string[];
  readonly model: ModelConfig;
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

/** How far the shard is, in images. */
export interface GenerateProgress {
  readonly kind: 'progress';
  /** Images whose files are there, and all of them; those kept from an earlier run among both. */
  readonly done: number;
  readonly total: number;
  /** `done`, and the parts of the images in work. */
  readonly exact: number;
  readonly imagesPerSecond: number;
  /** Workers lost so far. */
  readonly lost: number;
}

export interface GenerateResult {
  readonly made: number;
  /** Images of this shard that were there already. */
  readonly kept: number;
  /** From the first batch to the last file. */
  readonly seconds: number;
  /** Images of other shards that are not finished; only looked at for a format with one file for all. */
  readonly awaited: number;
}
