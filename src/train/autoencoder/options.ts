import type { Fit } from '../../config/config.js';
import type { Source } from '../../config/source.js';
import type { GivenImages } from '../../data/given.js';
import type { TrainEvent } from '../options.js';

/** What to train, and where and how to report it. */
export interface AutoencoderOptions {
  /** The settings that were given: flags, or a program's. */
  readonly settings: Source;
  /** A folder of pictures, a data file or toy-cars, or `GIVEN`; undefined on a resume: where they were. */
  readonly data: string | undefined;
  /** A program's own pictures, if `data` is `GIVEN`. */
  readonly images?: GivenImages | undefined;
  readonly out: string;
  readonly resume: boolean;
  /** Bytes of decoded pictures to keep in memory; default as for runs. */
  readonly dataBudget?: number | undefined;
  readonly requireCuda: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: AutoencoderEvent) => void) | undefined;
}

/** A training's events, in order; `samples` are pictures and what comes back of them. */
export type AutoencoderEvent = Extract<
  TrainEvent,
  { kind: 'note' | 'warning' | 'loading' | 'step' | 'pause' | 'checkpoint' | 'samples' }
>;

export interface AutoencoderResult {
  /** Steps in all, resumes included. */
  readonly steps: number;
  /** Mean loss over the last 40 steps of this call (or all, if fewer); null if there were none. */
  readonly loss: number | null;
  /** Peak signal-to-noise ratio in dB of what comes back of `pictures` pictures, as 8-bit values. */
  readonly psnr: number;
  /** Pictures that were measured: 512 of the data, or all. */
  readonly pictures: number;
  /** Side of the latents in pixels, and their channels. */
  readonly latentSize: number;
  readonly latentChannels: number;
  /** Mean and standard deviation of their latents, by which networks get them shifted and scaled. */
  readonly mean: number;
  readonly deviation: number;
  /** The data, as it is named for a run, and how its pictures were made square and whether they were mirrored. */
  readonly data: string;
  readonly fit: Fit;
  readonly flip: boolean;
  /** The folder of the autoencoder. */
  readonly out: string;
}
