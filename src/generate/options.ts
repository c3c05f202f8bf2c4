import type {
  ComputingConfig,
  DiffusionConfig,
  ModelConfig,
  SamplingConfig,
} from '../config/config.js';

/** `png` is a file an image; the others one file for all. */
export const FORMATS = ['png', 'npz', 'safetensors'] as const;
export type Format = (typeof FORMATS)[number];

/** Part `index` (from 1) of `of`: a range of the image numbers. */
export interface Shard {
  readonly index: number;
  readonly of: number;
}

/** `2-of-5`: how files and locks name a shard. */
export const shardName = ({ index, of }: Shard): string => `${index}-of-${of}`;

/** Many images of a model as files, by workers that each make batches of their own. */
export interface GenerateOptions {
  /** Path of the `model.safetensors`. */
  readonly weights: string;
  readonly model: ModelConfig;
  readonly diffusion: DiffusionConfig;
  readonly sampling: SamplingConfig;
  readonly computing: ComputingConfig;
  readonly seed: number;
  /** Images of all shards together: the numbers 0 to count − 1. */
  readonly count: number;
  readonly out: string;
  readonly format: Format;
  readonly workers: number;
  /**
   * Images made at one time: at most so many, or with batch statistics exactly so many. Null is what suits the device.
   */
  readonly batch: number | null;
  readonly shard: Shard;
  /** Replace files that are not what the manifest says. */
  readonly resume: boolean;
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
