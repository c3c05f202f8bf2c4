/** A worker's training: one run at a time, one replica after the other, with all of its threads. */
import type { RunConfig } from '../config/config.js';
import { ofOneReplica } from '../config/replicas.js';
import type { NetworkDevice } from '../contracts/device.js';
import type { Trainer } from '../contracts/trainer.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { EngineError, RunError, UsageError } from '../errors.js';
import type { Blob } from '../queue/blob.js';
import { keepBlob } from '../queue/blobs.js';
import type { Connection } from '../queue/connect.js';
import { computingOf } from '../queue/generate-job.js';
import { record } from '../queue/ledger.js';
import { Hopeless, type Maker, type MakerOptions, Stopped } from '../queue/maker.js';
import { untilRoom } from '../queue/room.js';
import {
  idOfRun,
  isTold,
  type ReplicaBlobs,
  shapeOfImages,
  type TrainJob,
  type TrainResult,
} from '../queue/train-job.js';
import { within } from '../queue/waiting.js';
import { learningRate } from './learning-rate.js';
import { openTrainer } from './open-trainer.js';
import { PackedImages } from './packed-images.js';
import { planOf } from './plan.js';
import { ofReplica } from './replica-batch.js';
import { blobsOf, loadReplica, storeMoments, storeWeights } from './replica-blobs.js';

/** An open run. */
interface Current {
  readonly id: string;
  readonly trainer: Trainer;
  readonly images: PackedImages;
}

/** Milliseconds for a job to reach its next step before its trainer is closed. */
const CLOSE = 3000;

export class TrainMaker implements Maker<TrainJob, TrainResult> {
  private readonly connection: Pick<Connection, 'redis'>;
  private readonly options: MakerOptions;
  private current: Current | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private stopped = false;
  /** Files of the last jobs, with which the next ones may begin. */
  private readonly recent: Blob[][] = [];

  constructor(connection: Pick<Connection, 'redis'>, options: MakerOptions) {
    this.connection = connection;
    this.options = options;
  }

  onLanes(): void {}

  make(job: TrainJob): Promise<TrainResult> {
    const result = this.turn.then(() => this.train(job));
    this.turn = result.catch(() => undefined);
    return result;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    // It may be waiting for Redis, or for a long step.
    await within(CLOSE, this.turn);
    await this.close();
  }

  private async train(job: TrainJob): Promise<TrainResult> {
    if (this.stopped) throw new Stopped();
    try {
      const begun = performance.now();
      const { trainer, images } = await this.open(job);
      await this.load(trainer.unet, job);
      const loaded = performance.now();
      const losses = await this.steps(trainer, images, job);
      const computed = performance.now();
      const end = await this.send(trainer.unet, job);
      const sent = performance.now();
      await this.forget(job, end);
      return {
        ...{ end, losses },
        ms: { load: loaded - begun, compute: computed - loaded, send: sent - computed },
      };
    } catch (error) {
      // The engine may be the cause: the next job gets a new one.
      if (!(error instanceof Stopped)) await this.close();
      throw error instanceof EngineError ? new RunError(error.message) : error;
    }
  }

  private async steps(
    trainer: Trainer,
    images: PackedImages,
    { config, images: { count }, replica, from, until }: TrainJob,
  ): Promise<number[][]> {
    const { training } = config;
    const plan = planOf(config, { count, classes: images.classes });
    const rows: number[][] = [];
    for (let step = from; step < until; step++) {
      if (this.stopped) throw new Stopped();
      const { indices, flips, ...batch } = ofReplica(plan.batch(step), replica, training.replicas);
      const read = await images.batch(indices, flips);
      const lr = learningRate(training, step, training.steps!);
      const { loss, losses } = await trainer.step({ ...batch, ...read, lr });
      if (!Number.isFinite(loss))
        throw new Hopeless(`step ${step + 1}: the loss is ${loss}; a lower --lr may help`);
      rows.push([loss, ...losses]);
    }
    return rows;
  }

  private async open(job: TrainJob): Promise<Current> {
    const { config, images } = job;
    const id = idOfRun(job);
    if (this.current?.id === id) return this.current;
    await this.close();
    const { data } = config;
    const { cache, onNote } = this.options;
    const path = await cache.file(this.connection.redis, images.blob);
    const names = isTold(config) ? data.classes!.names : null;
    const shape = { count: images.count, ...shapeOfImages(config) };
    const packed = await PackedImages.open(path, shape, names);
    try {
      const trainer = await this.openTrainer(config);
      onNote(
        `run ${id.slice(1, 13)}: ${trainer.unet.description}, ${config.training.replicas} replicas, batches of ${config.training.batch}`,
      );
      this.current = { id, trainer, images: packed };
      return this.current;
    } catch (error) {
      await packed.close();
      throw error;
    }
  }

  private async openTrainer(config: RunConfig): Promise<Trainer> {
    const { threads, strict, wide } = this.options;
    const own = {
      ...config,
      computing: computingOf({ threads, strict, wide }),
      training: ofOneReplica(config.training),
    };
    try {
      return (await openTrainer(own, makeSchedule(config.diffusion), false)).trainer;
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      throw new RunError(`this worker cannot train it: ${error.message}`);
    }
  }

  private async load(unet: NetworkDevice, { config, from, start }: TrainJob): Promise<void> {
    const { cache } = this.options;
    await loadReplica(cache, this.connection.redis, unet, start, config.model, from);
  }

  /** Sends the trained replica to the cache and to Redis. */
  private async send(unet: NetworkDevice, job: TrainJob): Promise<ReplicaBlobs> {
    const { cache } = this.options;
    const end = {
      ...(await storeWeights(cache, unet, job.config.training.ema.length)),
      optimizer: await storeMoments(cache, unet),
    };
    const { redis } = this.connection;
    await this.write(() => record(redis, idOfRun(job), blobsOf(end)));
    for (const blob of blobsOf(end))
      await this.write(() => keepBlob(redis, cache.pathOf(blob), blob));
    return end;
  }

  private write(work: () => Promise<void>): Promise<void> {
    let told = false;
    return untilRoom(
      () => work(),
      () => {
        if (this.stopped) throw new Stopped();
        if (!told) this.options.onNote('Redis is full; waiting for room');
        told = true;
      },
    );
  }

  /** Removes files of jobs of earlier rounds. */
  private async forget({ start, config }: TrainJob, end: ReplicaBlobs): Promise<void> {
    this.recent.push([...blobsOf(start), ...blobsOf(end)]);
    while (this.recent.length > 2 * config.training.replicas) {
      const old = this.recent.shift()!;
      const used = new Set(this.recent.flat().map(({ sha256 }) => sha256));
      for (const blob of old) if (!used.has(blob.sha256)) await this.options.cache.drop(blob);
    }
  }

  private async close(): Promise<void> {
    const { current } = this;
    this.current = undefined;
    await current?.images.close();
    await current?.trainer.dispose();
  }
}
