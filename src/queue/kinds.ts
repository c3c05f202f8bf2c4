/** The kinds of jobs in a queue: images and training. Each kind has one queue per build. */
import type { Redis } from 'ioredis';
import { bytesOfImage, type GenerateJob, idOf, imagesInWords, parseJob } from './generate-job.js';
import { getResults, putResult, removeResult } from './results.js';
import {
  idOfTraining,
  parseTrainJob,
  type TrainJob,
  type TrainResult,
  trainingInWords,
} from './train-job.js';
import { getTrained, putTrained, removeTrained } from './train-results.js';

/** BullMQ's name of the jobs, and the prefix of their queues. */
export type KindName = 'generate' | 'train';

/** Jobs `J` whose results `R` stay in Redis until they are taken. */
export interface Kind<J, R> {
  readonly name: KindName;
  /** What `sizeOf` counts. */
  readonly unit: 'images' | 'steps';
  /** Whether a worker takes the next job while the result of a short one is being sent. */
  readonly ahead: boolean;
  idOf(job: J): string;
  inWords(job: J): string;
  buildOf(job: J): string;
  /** Number of images, or of steps. */
  sizeOf(job: J): number;
  /** @throws UsageError for invalid data */
  parse(data: unknown): J;
  put(redis: Redis, id: string, result: R): Promise<void>;
  /** The result of each job; undefined for a missing or incomplete one. */
  get(
    redis: Redis,
    jobs: readonly { readonly id: string; readonly job: J }[],
  ): Promise<(R | undefined)[]>;
  remove(redis: Redis, id: string): Promise<void>;
}

export const GENERATE: Kind<GenerateJob, Uint8Array> = {
  name: 'generate',
  unit: 'images',
  ahead: true,
  idOf,
  inWords: ({ images }) => imagesInWords(images),
  buildOf: ({ build }) => build,
  sizeOf: ({ images }) => images.length,
  parse: parseJob,
  put: putResult,
  get: (redis, jobs) =>
    getResults(
      redis,
      jobs.map(({ id, job }) => ({
        id,
        bytes: job.images.length * bytesOfImage(job.recipe),
      })),
    ),
  remove: removeResult,
};

export const TRAIN: Kind<TrainJob, TrainResult> = {
  name: 'train',
  unit: 'steps',
  ahead: false,
  idOf: idOfTraining,
  inWords: trainingInWords,
  buildOf: ({ build }) => build,
  sizeOf: ({ from, until }) => until - from,
  parse: parseTrainJob,
  put: putTrained,
  get: getTrained,
  remove: removeTrained,
};

/** All kinds of work, each of which a build has a queue of. */
export const KINDS = [GENERATE, TRAIN] as const;
