/** What kinds of work go through a queue: images, and training. Each has queues of its own, one a build. */
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

/** BullMQ's name of the jobs, and the beginning of their queues'. */
export type KindName = 'generate' | 'train';

/** Jobs `J` whose results `R` lie in Redis until somebody has taken them. */
export interface Kind<J, R> {
  readonly name: KindName;
  /** Whether the worker of these jobs is the one that says that its process is there. */
  readonly signs: boolean;
  /** Whether a worker takes the next job while the result of a short one is on its way. */
  readonly ahead: boolean;
  idOf(job: J): string;
  inWords(job: J): string;
  buildOf(job: J): string;
  /** Images, or steps. */
  sizeOf(job: J): number;
  /** @throws UsageError for data that are not sound */
  parse(data: unknown): J;
  put(redis: Redis, id: string, result: R): Promise<void>;
  /** Of each job its result; undefined for one that is not there or not whole. */
  get(
    redis: Redis,
    jobs: readonly { readonly id: string; readonly job: J }[],
  ): Promise<(R | undefined)[]>;
  remove(redis: Redis, id: string): Promise<void>;
}

export const GENERATE: Kind<GenerateJob, Uint8Array> = {
  name: 'generate',
  signs: true,
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
        bytes: job.images.length * bytesOfImage(job.recipe.model),
      })),
    ),
  remove: removeResult,
};

export const TRAIN: Kind<TrainJob, TrainResult> = {
  name: 'train',
  signs: false,
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
