import type { RunConfig } from '../config/config.js';
import type { GivenImages } from '../data/given.js';

/** A training run: what to compute (`config`), and where and how to report it. */
export interface TrainOptions {
  /** What to compute: of `runConfig`, or on a resume of `resumeConfig`. E.g. `config: runConfig({ data: 'photos' })`. */
  readonly config: RunConfig;
  /**
   * The images, where the config was made for images that a program gives (`runConfig({ data: images })`); read once. Default
   * none. E.g. `data: images`.
   */
  readonly data?: GivenImages;
  /**
   * The images kept aside, where the config was made for some that a program gives (`runConfig({ heldOut: images })`); read once, with
   * labels where the others have some. Default none. E.g. `heldOut: others`.
   */
  readonly heldOut?: GivenImages;
  /** The run folder: config.json, metrics.jsonl, checkpoints/, samples/. E.g. `out: 'runs/1'`. */
  readonly out: string;
  /** Go on with the run in `out`; without it (the default) an existing run there is never written over. E.g. `resume: true`. */
  readonly resume?: boolean;
  /**
   * Bytes of decoded images kept in memory; a larger data set is streamed ahead of the steps. Default a quarter of
   * the memory that the process may have, and never more than training leaves. E.g. `dataBudget: 2 ** 30`.
   */
  readonly dataBudget?: number;
  /**
   * Length of a new run in minutes, in place of the config's: some steps are measured before it, and the number of steps that this
   * comes to is kept in config.json. Default the config's. E.g. `minutes: 30`.
   */
  readonly minutes?: number;
  /**
   * Tell of a new run which preset it has, and which would suit its images better: for runs that none was named for. Default
   * false. E.g. `advise: true`.
   */
  readonly advise?: boolean;
  /**
   * Write the numbers of each step, samples and the config for TensorBoard, too, into `out`. A run that has such a file goes on with it
   * when it is resumed, without being asked. Default false. E.g. `tensorboard: true`.
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
  /** Told what happens, in order. Default nobody is. E.g. `onEvent: ({ kind }) => console.log(kind)`. */
  readonly onEvent?: (event: TrainEvent) => void;
}

/** How long work tells of its progress and is interrupted. */
export interface Attention {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (done: number, total: number) => void;
}

/** What a run tells while it goes, in order: notes and loading, then steps with the rest between them. */
export type TrainEvent =
  /** A line for the user: the header's, a skipped file, a resume on another build. */
  | { readonly kind: 'note'; readonly text: string }
  /** Something is at fault but the run goes on. */
  | { readonly kind: 'warning'; readonly text: string }
  /** Images decoded so far of all. */
  | { readonly kind: 'loading'; readonly done: number; readonly total: number }
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
  /** Something between two steps that takes a while: `done` of `total` of it. */
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
  /** Mean training loss over the last 40 steps of this call (or all of them, if fewer); null if there was none to take. */
  readonly loss: number | null;
  /** Loss on the held-out images after the last epoch, if any were kept aside. */
  readonly heldOutLoss: number | null;
  /** The last checkpoint's folder. */
  readonly checkpoint: string;
}
