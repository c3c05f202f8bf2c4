/**
 * Replicas that workers train through a queue, with one job per replica and round. This process sends their initial state, collects
 * the results and takes the outer step. The bits are those of a local run.
 */
import { randomBytes } from 'node:crypto';
import type { Queue } from 'bullmq';
import type { RunConfig } from '../config/config.js';
import { parseRunConfig } from '../config/read.js';
import { imagesOfStep } from '../config/replicas.js';
import type { EvaluationBatch, StepResult, TrainBatch, Trainer } from '../contracts/trainer.js';
import type { Dataset } from '../data/dataset.js';
import { Interrupted, RunError } from '../errors.js';
import { buildNetwork } from '../network/network.js';
import { countParameters } from '../network/parameters.js';
import type { Blob } from '../queue/blob.js';
import { BlobCache } from '../queue/blob-cache.js';
import { dropBlob, keepBlob, missingBytes } from '../queue/blobs.js';
import { leave, present, processName, Rate, sign } from '../queue/board.js';
import { buildId } from '../queue/build.js';
import { type Connection, checkRoom, explained } from '../queue/connect.js';
import { TRAIN } from '../queue/kinds.js';
import { openQueue, tidy, useBuild } from '../queue/queues.js';
import { Requests } from '../queue/requests.js';
import type { Images, ReplicaBlobs, TrainJob, TrainResult } from '../queue/train-job.js';
import { within } from '../queue/waiting.js';
import { plural } from '../units.js';
import { unlessAborted } from '../unless-aborted.js';
import { configOfJobs } from './job-config.js';
import { packImages } from './packed-images.js';
import { blobsOf, fetchReplica, loadReplica, storeMoments, storeWeights } from './replica-blobs.js';
import { type ReplicatedTrainer, together } from './replicated-trainer.js';
import { bytesInWords, type RoundBytes, RoundReport } from './round-report.js';
import type { Rounds } from './rounds.js';

export interface QueuedOptions {
  readonly connection: Connection;
  /** The run's config in this stage, with its length in steps. */
  readonly config: RunConfig;
  readonly dataset: Dataset;
  readonly rounds: Rounds;
  /** Steps taken when the stage ends. */
  readonly until: number;
  readonly signal: AbortSignal | undefined;
  readonly onNote: (text: string) => void;
}

/** Requests for a result whose files are missing or damaged. */
const ATTEMPTS = 5;

/** Milliseconds to sign off. */
const LEAVE = 3000;

export class QueuedTrainer implements Trainer {
  readonly replicas: ReplicatedTrainer['replicas'];
  private readonly inner: ReplicatedTrainer;
  private readonly options: QueuedOptions;
  private readonly config: RunConfig;
  private readonly build: string;
  private readonly cache: BlobCache;
  private readonly queue: Queue;
  private readonly images: Images;
  private readonly requests: Requests<TrainJob, TrainResult>;
  private readonly report = new RoundReport();
  private readonly rate = new Rate();
  private readonly name = `${processName()}-${randomBytes(2).toString('hex')}`;
  /** Each replica's moments after the last round, with which the next one begins. */
  private moments: readonly Blob[] = [];
  /** Files that the current jobs need. */
  private needed: readonly Blob[] = [];
  /** Whether its first round is over. */
  private begun = false;
  /** Computed steps that have not been requested yet. */
  private computed: StepResult[] = [];
  private done = 0;
  private workers: number | undefined;
  private readonly interrupt = () => void this.requests.end(new Interrupted('interrupted'));

  private constructor(
    inner: ReplicatedTrainer,
    options: QueuedOptions,
    cache: BlobCache,
    queue: Queue,
    images: Images,
  ) {
    this.inner = inner;
    this.replicas = inner.replicas;
    this.options = options;
    // As workers read it, so that they compute the same id.
    const config: unknown = JSON.parse(JSON.stringify(configOfJobs(options.config)));
    this.config = parseRunConfig('config', config);
    this.build = buildId(options.config.computing.strict);
    this.cache = cache;
    this.queue = queue;
    this.images = images;
    this.requests = new Requests(TRAIN, options.connection, queue, () => this.upkeep());
    options.signal?.addEventListener('abort', this.interrupt, { once: true });
  }

  /** Uploads the images. @throws UsageError if Redis has no room for them and for a round */
  static async open(inner: ReplicatedTrainer, options: QueuedOptions): Promise<QueuedTrainer> {
    const { connection, config, dataset } = options;
    const { redis, address } = connection;
    let queue: Queue | undefined;
    try {
      const cache = new BlobCache();
      await cache.open();
      const blob = await cache.addFile((path) => packImages(path, dataset));
      const bytes = bytesOfRound(config, blob);
      const missing = bytes.held - blob.bytes + (await missingBytes(redis, blob));
      checkRoom(connection, await connection.info(), missing, 'images, and replicas in transit');
      options.onNote(`queue   ${address.shown}: ${bytesInWords(bytes)}`);
      await keepBlob(redis, cache.pathOf(blob), blob);
      const build = buildId(config.computing.strict);
      await useBuild(redis, build);
      queue = await openQueue(address, build, undefined, TRAIN.name);
      await tidy(redis, queue, address);
      return new QueuedTrainer(inner, options, cache, queue, { blob, count: dataset.count });
    } catch (error) {
      await queue?.close().catch(() => undefined);
      throw await explained(connection, error);
    }
  }

  get unet(): ReplicatedTrainer['unet'] {
    return this.inner.unet;
  }

  get memoryBytes(): number {
    return this.inner.memoryBytes;
  }

  get elsewhere(): NonNullable<Trainer['elsewhere']> {
    return { ahead: this.computed.length > 0 };
  }

  async step({ step }: TrainBatch): Promise<StepResult> {
    if (this.computed.length === 0) this.computed = await this.round(step);
    this.done++;
    return this.computed.shift()!;
  }

  evaluate(batch: EvaluationBatch) {
    return this.inner.evaluate(batch);
  }

  async dispose(): Promise<void> {
    const { connection, signal, onNote } = this.options;
    signal?.removeEventListener('abort', this.interrupt);
    const text = this.report.inWords(this.replicas.averaging);
    if (text !== null) onNote(`queue   ${text}`);
    const leaving = Promise.all([
      this.requests.end(new Interrupted('interrupted')),
      leave(connection.redis, 'run', this.name),
    ]).then(() => this.queue.close());
    // Redis may be unreachable.
    await within(LEAVE, leaving);
    void this.queue.disconnect().catch(() => undefined);
    await this.inner.dispose();
  }

  /** Trains all replicas from the step to the end of its round, or of the stage. */
  private async round(from: number): Promise<StepResult[]> {
    const begun = performance.now();
    const until = Math.min(this.options.rounds.endAfter(from), this.options.until);
    const jobs = await this.jobs(from, until);
    await this.unlessInterrupted(this.keepNeeded());
    const sent = performance.now();
    const asked = Promise.all(jobs.map((job) => this.get(job)));
    const results = await this.unlessInterrupted(asked);
    await this.takeUp(results, until);
    await this.forget(jobs, results);
    const end = performance.now();
    const slowest = results.reduce((a, b) => (b.ms.compute > a.ms.compute ? b : a)).ms;
    const got = Math.max(...results.map(({ at }) => at));
    const times = { upload: sent - begun, wait: got - sent, download: end - got, ...slowest };
    this.report.add(times, end - begun);
    const steps = until - from;
    return Array.from({ length: steps }, (_, i) => ({
      ...together(results.map(({ losses }) => stepOf(losses[i]!))),
      ms: i + 1 === steps ? times : {},
      milliseconds: (end - begun) / steps,
    }));
  }

  /** Runs something that needs Redis, which may be unreachable. Changes of the network are not interrupted. */
  private unlessInterrupted<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(this.options.signal, work, () => new Interrupted('interrupted'));
  }

  /** The jobs of a round, with the files of the replicas' initial state. */
  private async jobs(from: number, until: number): Promise<TrainJob[]> {
    const { build, config, images, replicas } = this;
    const starts: ReplicaBlobs[] = [];
    for (let r = 0; r < replicas.count; r++) starts.push(await this.store(r, starts[0]));
    this.needed = distinct(starts.flatMap(blobsOf));
    return starts.map((start, replica) => ({ build, config, images, replica, from, until, start }));
  }

  /** A replica's files. Between rounds all replicas have the same weights, and the moments that their workers sent. */
  private async store(replica: number, first: ReplicaBlobs | undefined): Promise<ReplicaBlobs> {
    const { cache, unet, replicas } = this;
    const known = this.moments[replica];
    const common = first && !replicas.inRound;
    if (!common || !known) replicas.show(replica);
    const { weights, averages } = common
      ? first
      : await storeWeights(cache, unet, this.config.training.ema.length);
    return { weights, averages, optimizer: known ?? (await storeMoments(cache, unet)) };
  }

  /** The result of a job, its arrival time, and its files in the cache. If files are missing or damaged, the job is repeated. */
  private async get(job: TrainJob, attempt = 1): Promise<TrainResult & { readonly at: number }> {
    const { redis } = this.options.connection;
    const result = await this.requests.get(job);
    const at = performance.now();
    try {
      await fetchReplica(this.cache, redis, result.end);
      return { ...result, at };
    } catch (error) {
      if (!(error instanceof RunError) || attempt === ATTEMPTS) throw error;
      this.options.onNote(`queue   ${TRAIN.inWords(job)}: ${error.message}; it is trained again`);
      await TRAIN.remove(redis, TRAIN.idOf(job));
      return this.get(job, attempt + 1);
    }
  }

  private async takeUp(results: readonly TrainResult[], until: number): Promise<void> {
    const { cache, unet, config, replicas } = this;
    for (const [replica, { end }] of results.entries()) {
      await loadReplica(cache, unet, end, config.model, until);
      replicas.take(replica, true);
    }
    this.moments = results.map(({ end }) => end.optimizer);
  }

  /** Removes a round's files, except the moments that the next one needs. */
  private async forget(jobs: readonly TrainJob[], results: readonly TrainResult[]): Promise<void> {
    const { redis } = this.options.connection;
    for (const job of jobs) this.requests.done(job);
    const kept = new Set(this.moments.map(({ sha256 }) => sha256));
    // What a run begins with may be in use by another, which begins with the same: moments of zeros, weights of one seed. It expires.
    const starts = this.begun ? jobs.map(({ start }) => start) : [];
    this.begun = true;
    const all = [...starts, ...results.map(({ end }) => end)];
    const old = distinct(all.flatMap(blobsOf)).filter(({ sha256 }) => !kept.has(sha256));
    this.needed = this.moments;
    // The rest expires.
    await within(LEAVE, Promise.all(old.map((blob) => dropBlob(redis, blob))));
    for (const blob of old) await this.cache.drop(blob);
  }

  private async keepNeeded(): Promise<void> {
    const { redis } = this.options.connection;
    const isNeeded = (blob: Blob) => blob === this.images.blob || this.needed.includes(blob);
    // A round that ends meanwhile removes its own files.
    for (const blob of [this.images.blob, ...this.needed])
      await keepBlob(redis, this.cache.pathOf(blob), blob).catch((error: unknown) => {
        if (isNeeded(blob)) throw error;
      });
  }

  /** Every two seconds: renews the files in Redis, announces this run, and looks for workers. */
  private async upkeep(): Promise<void> {
    const { connection, config, onNote } = this.options;
    const { redis } = connection;
    await this.keepNeeded();
    if (this.requests.haveEnded) return;
    const each = imagesOfStep(config.training);
    await sign(redis, 'run', {
      ...{ name: this.name, build: this.build },
      done: this.done * each,
      total: config.training.steps! * each,
      imagesPerSecond: this.rate.of(this.done * each),
      jobs: this.requests.count,
    });
    const there = (await present(redis, 'worker')).filter(({ build }) => build === this.build);
    if (this.workers === there.length) return;
    this.workers = there.length;
    if (there.length > 0) onNote(`${plural(there.length, 'worker')} there`);
    else onNote(`no worker of ${this.build} is there; haze worker starts one`);
  }
}

const stepOf = ([loss, ...losses]: readonly number[]): StepResult => ({
  loss: loss!,
  losses: Float64Array.from(losses),
  ms: {},
});

const distinct = (blobs: readonly Blob[]): Blob[] => [
  ...new Map(blobs.map((blob) => [blob.sha256, blob])).values(),
];

/** Bytes of a round, without file headers. */
function bytesOfRound(config: RunConfig, images: Blob): RoundBytes {
  const weights = 4 * countParameters(buildNetwork(config.model));
  const { replicas, ema } = config.training;
  const shared = (1 + ema.length) * weights;
  const back = replicas * (shared + 2 * weights);
  // The moments that workers sent are already in Redis for the next round.
  return { out: shared, back, held: images.bytes + shared + replicas * 2 * weights + back };
}
