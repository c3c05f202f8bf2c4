import type { RunConfig } from '../config/config.js';
import type { GivenImages } from '../data/given.js';
import type { NoteFacts } from '../io/notes.js';

/** A training run: what to compute (`config`), and where and how to report it. */
export interface TrainOptions {
  /** What to compute: from `runConfig`, or on a resume from `resumeConfig`. E.g. `config: runConfig({ data: 'photos' })`. */
  readonly config: RunConfig;
  /**
   * The images, if the config was made for a program's images (`runConfig({ data: images })`); read once. Default
   * none. E.g. `data: images`.
   */
  readonly data?: GivenImages;
  /**
   * The held-out images, if the config was made for a program's (`runConfig({ heldOut: images })`); read once, with
   * labels if the others have some. Default none. E.g. `heldOut: others`.
   */
  readonly heldOut?: GivenImages;
  /**
   * The run folder: config.json, metrics.jsonl, checkpoints/, samples/. A relative path begins at the current folder of the call, and results
   * have the whole path. E.g. `out: 'runs/1'`.
   */
  readonly out: string;
  /** Continue the run in `out`; without it (the default) an existing run is never overwritten. E.g. `resume: true`. */
  readonly resume?: boolean;
  /**
   * Bytes of decoded images to keep in memory; a larger data set is streamed ahead of the steps. Default a quarter of
   * the available memory, and never more than training leaves. E.g. `dataBudget: 2 ** 30`.
   */
  readonly dataBudget?: number;
  /**
   * Length of a new run in minutes, in place of the config's: some steps are timed first, and the resulting number of steps
   * is kept in config.json. Default the config's. E.g. `minutes: 30`.
   */
  readonly minutes?: number;
  /**
   * Report which preset a new run uses, and which would suit its images better: for runs without a named preset. Default
   * false. E.g. `advise: true`.
   */
  readonly advise?: boolean;
  /**
   * Also write each step's metrics, the samples and the config for TensorBoard into `out`. A run with such a file continues it
   * on a resume without this option. Default false. E.g. `tensorboard: true`.
   */
  readonly tensorboard?: boolean;
  /**
   * Address of the Redis whose workers (`haze worker`) train the replicas of a run with rounds; null (the default): this process does.
   * E.g. `queue: 'redis://host'`.
   */
  readonly queue?: string | null;
  /** Fail with a CheckError unless a CUDA GPU computes. Default false. E.g. `requireCuda: true`. */
  readonly requireCuda?: boolean;
  /**
   * Aborted when the user interrupts: the step in progress ends, a checkpoint is written, Interrupted is thrown. Before
   * the first step nothing is written. Default none. E.g. `signal: AbortSignal.timeout(60_000)`.
   */
  readonly signal?: AbortSignal;
  /** Called with events, in order. Default none. E.g. `onEvent: ({ kind }) => console.log(kind)`. */
  readonly onEvent?: (event: TrainEvent) => void;
}

/** How long work reports progress and is interrupted. */
export interface Attention {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/** A run's events, in order: notes, loading and encoding, then steps and what happens between them. */
export type TrainEvent =
  /** A line for the user: from the header, about a skipped file, a resume on another build. */
  | { readonly kind: 'note'; readonly text: string; readonly facts?: NoteFacts }
  /** A problem that does not stop the run. */
  | { readonly kind: 'warning'; readonly text: string }
  /** Images decoded so far, and in total. */
  | { readonly kind: 'loading'; readonly done: number; readonly total: number }
  /** Images encoded so far, and in total, of a run on latents that are not in the cache. */
  | { readonly kind: 'encoding'; readonly done: number; readonly total: number }
  | {
      readonly kind: 'step';
      /** Steps taken, from 1. */
      readonly step: number;
      readonly totalSteps: number;
      /** From 1. */
      readonly epoch: number;
      readonly loss: number;
      readonly imagesPerSecond: number;
    }
  | { readonly kind: 'heldOut'; readonly step: number; readonly heldOutLoss: number }
  /** Slow work between two steps: `done` of `total` of it. */
  | {
      readonly kind: 'pause';
      readonly step: number;
      /** `held-out loss` or `samples`. */
      readonly what: string;
      readonly done: number;
      readonly total: number;
    }
  | { readonly kind: 'checkpoint'; readonly step: number; readonly path: string }
  | { readonly kind: 'samples'; readonly step: number; readonly path: string };

export interface TrainResult {
  /** Steps of the whole run, resumes included. */
  readonly steps: number;
  /** Mean training loss over the last 40 steps of this call (or all, if fewer); null if there were none. */
  readonly loss: number | null;
  /** Loss on the held-out images after the last epoch, if there are any. */
  readonly heldOutLoss: number | null;
  /** The last checkpoint's folder. */
  readonly checkpoint: string;
}
