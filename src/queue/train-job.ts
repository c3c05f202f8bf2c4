/** A job that trains a replica for some steps: everything that determines them. Data from Redis are validated like any other input. */
import type { RunConfig } from '../config/config.js';
import { JsonObject } from '../config/json.js';
import { parseRunConfig } from '../config/read.js';
import { section } from '../config/read-model.js';
import { UsageError } from '../errors.js';
import { type Blob, readBlob } from './blob.js';
import { hashOf } from './job-id.js';

/** The images of a run, decoded or encoded, then, for a class-conditional network, u32 labels, one per image. */
export interface Images {
  readonly blob: Blob;
  readonly count: number;
}

/** The files of a replica. */
export interface ReplicaBlobs {
  readonly weights: Blob;
  /** In the order of `training.ema`. */
  readonly averages: readonly Blob[];
  /** The optimizer's state. */
  readonly optimizer: Blob;
}

export interface TrainJob {
  readonly build: string;
  /** The run's config, reduced by `configOfJobs`. */
  readonly config: RunConfig;
  readonly images: Images;
  /** Index of the replica, from 0. */
  readonly replica: number;
  /** Steps taken before and after the job. */
  readonly from: number;
  readonly until: number;
  readonly start: ReplicaBlobs;
}

/** The result of a job. */
export interface TrainResult {
  readonly end: ReplicaBlobs;
  /** Per step: its loss, and the losses of its images. */
  readonly losses: readonly (readonly number[])[];
  /** Milliseconds for loading, computing and sending. */
  readonly ms: { readonly load: number; readonly compute: number; readonly send: number };
}

/** Most images of a data set in a queue: their indices have 32 bits. */
const MOST_IMAGES = 2 ** 32 - 1;
/** Most bytes of one image. */
const MOST_BYTES = 2 ** 40;
const MOST_STEPS = 1e9;
/** Most steps of a job. */
const MOST_OF_ONE = 1e6;

/** The id of a job, a hash of its data. */
export const idOfTraining = (job: TrainJob): string => hashOf('t', job);

/** The id of the run that a job belongs to. */
export const idOfRun = ({ config, images }: Pick<TrainJob, 'config' | 'images'>): string =>
  hashOf('r', { config, images });

/** `replica 2, steps 26 to 50`. */
export const trainingInWords = ({ replica, from, until }: TrainJob): string =>
  `replica ${replica + 1}, steps ${from + 1} to ${until}`;

/** The form of a run's images. */
export interface ImageShape {
  readonly size: number;
  readonly channels: number;
  /** Of latents, whether there are those of mirrored pictures, too; null for pixels. */
  readonly latents: { readonly mirrored: boolean } | null;
}

export const shapeOfImages = ({ model, data }: Pick<RunConfig, 'model' | 'data'>): ImageShape => ({
  ...{ size: model.size, channels: model.channels },
  latents: data.autoencoder === undefined ? null : { mirrored: data.flip },
});

/** Bytes of an image in all of its forms: u8 pixels, or f32 latents. */
export const bytesOfImage = ({ size, channels, latents }: ImageShape): number =>
  size ** 2 * channels * (latents === null ? 1 : latents.mirrored ? 8 : 4);

/** Bytes of the images of a run. */
export const bytesOfImages = (
  config: Pick<RunConfig, 'model' | 'data'>,
  count: number,
  told: boolean,
): number => count * (bytesOfImage(shapeOfImages(config)) + (told ? 4 : 0));

/**
 * Reads the data of a job, which may be damaged or hostile.
 * @throws UsageError naming the field, with what was expected and what was found
 */
export function parseTrainJob(data: unknown): TrainJob {
  const root = new JsonObject('job', data);
  const build = root.text('build')!;
  const config = readConfig(root, data);
  const { replicas, ema, syncEvery, steps } = config.training;
  if (syncEvery === null || steps === null)
    throw new UsageError('job.config.training: expected steps and syncEvery, got none');
  const images = section(root.object('images'), (o) => readImages(o, config));
  const replica = root.whole('replica', { min: 0, max: replicas - 1 })!;
  const from = root.whole('from', { min: 0, max: MOST_STEPS })!;
  const until = root.whole('until', { min: from + 1, max: Math.min(steps, from + MOST_OF_ONE) })!;
  const start = section(root.object('start'), (o) => readReplica(o, ema.length));
  root.finish();
  return { build, config, images, replica, from, until, start };
}

/** The config is validated like one from a file. */
function readConfig(root: JsonObject, data: unknown): RunConfig {
  root.object('config', 'all');
  return parseRunConfig('job.config', (data as { config: unknown }).config);
}

function readImages(o: JsonObject, config: RunConfig): Images {
  const count = o.whole('count', { min: 1, max: MOST_IMAGES })!;
  const blob = section(o.object('blob'), (b) => readBlob(b, MOST_BYTES));
  const expected = bytesOfImages(config, count, isTold(config));
  if (blob.bytes !== expected)
    throw new UsageError(
      `${o.where('blob')}.bytes: expected ${expected}, of ${count} images, got ${blob.bytes}`,
    );
  return { blob, count };
}

/** Whether the network is class-conditional. */
export const isTold = ({ data }: Pick<RunConfig, 'data'>): boolean =>
  (data.classes ?? null) !== null;

function readReplica(o: JsonObject, averages: number): ReplicaBlobs {
  const each = o.objects('averages', averages);
  return {
    weights: section(o.object('weights'), readBlob),
    averages: each.map((average) => section(average, readBlob)),
    optimizer: section(o.object('optimizer'), readBlob),
  };
}

/** Reads a result, which may be damaged or hostile. @throws UsageError */
export function parseTrainResult(value: unknown, job: TrainJob): TrainResult {
  const root = new JsonObject('result', value);
  const { training } = job.config;
  const end = section(root.object('end'), (o) => readReplica(o, training.ema.length));
  const images = training.batch * training.accumulate;
  const losses = root.lists('losses', job.until - job.from, images + 1);
  const time = { min: 0 };
  const ms = section(root.object('ms'), (o) => ({
    load: o.real('load', time)!,
    compute: o.real('compute', time)!,
    send: o.real('send', time)!,
  }));
  root.finish();
  return { end, losses, ms };
}
