/**
 * Replicas that workers train through a queue, with one job per replica and round. This process sends their initial state, collects
 * the results and takes the outer step. The bits are those of a local run.
 */
import type { Queue } from 'bullmq';
import type { RunConfig } from '../config/config.js';
import { imagesOfStep } from '../config/replicas.js';
import type { EvaluationBatch, StepResult, TrainBatch, Trainer } from '../contracts/trainer.js';
import type { RunImages } from '../data/run-images.js';
import { Interrupted, RunError, StepNotTaken } from '../errors.js';
import type { Blob } from '../queue/blob.js';
import { BlobCache } from '../queue/blob-cache.js';
import { keepBlob } from '../queue/blobs.js';
import { leave, Rate } from '../queue/board.js';
import { buildId } from '../queue/build.js';
import { type Connection, explained } from '../queue/connect.js';
import { TRAIN } from '../queue/kinds.js';
import { record, sweep } from '../queue/ledger.js';
import { enterQueue } from '../queue/queues.js';
import { Requests } from '../queue/requests.js';
import { untilRoom } from '../queue/room.js';
import { Team, twinsOf } from '../queue/team.js';
import type { ReplicaBlobs, TrainJob, TrainResult } from '../queue/train-job.js';
import { Turns } from '../queue/turns.js';
import { within } from '../queue/waiting.js';
import { unlessAborted } from '../unless-aborted.js';
import { bytesOfRound, type OwnRun, ownRun, requireRoom } from './own-run.js';
import { packImages } from './packed-images.js';
import { blobsOf, fetchReplica, loadReplica, storeMoments, storeWeights } from './replica-blobs.js';
import { type ReplicatedTrainer, together } from './replicated-trainer.js';
import { bytesInWords, RoundReport } from './round-report.js';
import type { Rounds } from './rounds.js';

export interface QueuedOptions {
  readonly connection: Connection;
  /** The run's config in this stage, with its length in steps. */
  readonly config: RunConfig;
  readonly dataset: RunImages;
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
  private readonly run: OwnRun;
  private readonly build: string;
  private readonly cache: BlobCache;
  private readonly queue: Queue;
  private readonly requests: Requests<TrainJob, TrainResult>;
  private readonly team: Team;
  private readonly files = new Turns();
  private readonly report = new RoundReport();
  private readonly rate = new Rate();
  /** Each replica's moments after the last round, with which the next one begins. */
  private moments: readonly Blob[] = [];
  /** Files that the current jobs need. */
  private needed: readonly Blob[] = [];
  /** Computed steps that have not been requested yet. */
  private computed: StepResult[] = [];
  private done = 0;
  /** Whether the last step of the stage is taken. */
  private isOver = false;
  private toldOfTwin = false;
  private readonly interrupt = () => void this.requests.end(interrupted());

  private constructor(
    inner: ReplicatedTrainer,
    options: QueuedOptions,
    cache: BlobCache,
    queue: Queue,
    run: OwnRun,
  ) {
    this.inner = inner;
    this.replicas = inner.replicas;
    this.options = options;
    this.run = run;
    this.build = buildId(options.config.computing.strict);
    this.cache = cache;
    this.queue = queue;
    const { connection, onNote } = options;
    const { build } = this;
    this.team = new Team({ connection, build, name: run.name, id: run.id, onNote });
    this.requests = new Requests({
      ...{ kind: TRAIN, connection, queue, onNote },
      upkeep: (failing) => this.upkeep(failing),
      onFull: () => this.team.isFull(),
    });
    options.signal?.addEventListener('abort', this.interrupt, { once: true });
  }

  /** Uploads the images. @throws UsageError if Redis has no room for them and for a round */
  static async open(inner: ReplicatedTrainer, options: QueuedOptions): Promise<QueuedTrainer> {
    const { connection, config, dataset, signal, onNote } = options;
    const { redis, address } = connection;
    // Redis may hang.
    const unlessInterrupted = <T>(work: Promise<T>) => unlessAborted(signal, work, interrupted);
    try {
      const cache = new BlobCache();
      await cache.open();
      const blob = await cache.addFile((path) => packImages(path, dataset));
      const bytes = bytesOfRound(config, blob);
      const run = ownRun(config, { blob, count: dataset.count });
      await unlessInterrupted(requireRoom(connection, run, bytes));
      onNote(`queue   ${address.shown}: ${bytesInWords(bytes)}`);
      await unlessInterrupted(record(redis, run.id, [blob]));
      await unlessInterrupted(keepBlob(redis, cache.pathOf(blob), blob));
      const build = buildId(config.computing.strict);
      const queue = await unlessInterrupted(enterQueue(connection, build, TRAIN.name));
      return new QueuedTrainer(inner, options, cache, queue, run);
    } catch (error) {
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
    this.isOver = step + 1 === this.options.until;
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
      this.requests.end(interrupted()),
      // A run that is over needs nothing any more; another one continues with what is there.
      this.isOver ? this.sweep([]) : undefined,
      leave(connection.redis, 'run', this.run.name),
    ]).then(() => this.queue.close());
    // Redis may be unreachable.
    await within(LEAVE, leaving);
    await this.inner.dispose();
  }

  /** Trains all replicas from the step to the end of its round, or of the stage. */
  private async round(from: number): Promise<StepResult[]> {
    const begun = performance.now();
    const until = Math.min(this.options.rounds.endAfter(from), this.options.until);
    const jobs = await this.jobs(from, until);
    const { results, sent } = await this.ask(jobs).catch(async (error: unknown) => {
      if (error instanceof Interrupted) throw error;
      const { message } = (await explained(this.options.connection, error)) as Error;
      throw new StepNotTaken(message, { cause: error });
    });
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

  /** Sends what a round's jobs begin with, and resolves to their results and to when everything was sent. Changes nothing here. */
  private async ask(jobs: readonly TrainJob[]): Promise<{ results: Arrived[]; sent: number }> {
    await this.unlessInterrupted(this.removeOld(jobs));
    await this.unlessInterrupted(
      untilRoom(
        () => this.keepNeeded(),
        () => {
          if (this.requests.haveEnded) throw interrupted();
          void this.team.isFull();
        },
      ),
    );
    const sent = performance.now();
    const asked = Promise.all(jobs.map((job) => this.get(job)));
    return { results: await this.unlessInterrupted(asked), sent };
  }

  /** Removes files of earlier rounds, also those of a process that was killed, except results that wait to be taken. */
  private async removeOld(jobs: readonly TrainJob[]): Promise<void> {
    const { redis } = this.options.connection;
    const named = jobs.map((job) => ({ id: TRAIN.idOf(job), job }));
    const results = await TRAIN.get(redis, named);
    const waiting = results.flatMap((result) => (result ? blobsOf(result.end) : []));
    await this.sweep([this.run.images.blob, ...this.needed, ...waiting]);
  }

  /** Removes the run's files from Redis, unless another process needs them for the same run. Resolves to whether there is none. */
  private sweep(kept: readonly Blob[]): Promise<boolean> {
    return this.files.take(() => this.sweepAlone(kept));
  }

  private async sweepAlone(kept: readonly Blob[]): Promise<boolean> {
    const { connection, onNote } = this.options;
    const [twin] = await twinsOf(connection.redis, this.run);
    if (!twin) {
      await sweep(connection.redis, this.run.id, kept);
      return true;
    }
    if (!this.toldOfTwin) onNote(`queue   ${twin.name} trains the same run; both go on`);
    this.toldOfTwin = true;
    return false;
  }

  /** Runs something that needs Redis, which may be unreachable. Changes of the network are not interrupted. */
  private unlessInterrupted<T>(work: Promise<T>): Promise<T> {
    return unlessAborted(this.options.signal, work, interrupted);
  }

  /** The jobs of a round, with the files of the replicas' initial state. */
  private async jobs(from: number, until: number): Promise<TrainJob[]> {
    const { build, replicas } = this;
    const { config, images } = this.run;
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
      : await storeWeights(cache, unet, this.run.config.training.ema.length);
    return { weights, averages, optimizer: known ?? (await storeMoments(cache, unet)) };
  }

  /** The result of a job, its arrival time, and its files in the cache. If files are missing or damaged, the job is repeated. */
  private async get(job: TrainJob, attempt = 1): Promise<Arrived> {
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
    const { cache, unet, run, replicas } = this;
    const { redis } = this.options.connection;
    for (const [replica, { end }] of results.entries()) {
      await loadReplica(cache, redis, unet, end, run.config.model, until);
      replicas.take(replica, true);
    }
    this.moments = results.map(({ end }) => end.optimizer);
  }

  /** Removes a round's files, except the moments that the next one needs. */
  private async forget(jobs: readonly TrainJob[], results: readonly TrainResult[]): Promise<void> {
    const kept = new Set(this.moments.map(({ sha256 }) => sha256));
    const all = [...jobs.map(({ start }) => start), ...results.map(({ end }) => end)];
    const old = distinct(all.flatMap(blobsOf)).filter(({ sha256 }) => !kept.has(sha256));
    this.needed = this.moments;
    // What cannot be removed now expires.
    const alone = await within(LEAVE, this.sweep([this.run.images.blob, ...this.needed]));
    if (!alone) return;
    for (const job of jobs) this.requests.done(job);
    for (const blob of old) await this.cache.drop(blob);
  }

  private keepNeeded(): Promise<void> {
    return this.files.take(async () => {
      if (!this.requests.haveEnded) await this.keepFiles();
    });
  }

  private async keepFiles(): Promise<void> {
    const { redis } = this.options.connection;
    const { id, images } = this.run;
    const isNeeded = (blob: Blob) => blob === images.blob || this.needed.includes(blob);
    const blobs = [images.blob, ...this.needed];
    await record(redis, id, blobs);
    // A round that ends meanwhile needs its own no more, and another process that trains the same run may remove them.
    for (const blob of blobs)
      await keepBlob(redis, this.cache.pathOf(blob), blob).catch((error: unknown) => {
        if (isNeeded(blob)) throw error;
      });
  }

  /** Every two seconds: renews the files in Redis, announces this run, and looks for workers. */
  private async upkeep(failing: boolean): Promise<void> {
    await this.keepNeeded();
    if (this.requests.haveEnded) return;
    const { training } = this.run.config;
    const each = imagesOfStep(training);
    const about = {
      done: this.done * each,
      total: training.steps! * each,
      imagesPerSecond: this.rate.of(this.done * each),
      jobs: this.requests.count,
    };
    await this.team.look(about, failing);
  }
}

/** A result with the time of its arrival. */
type Arrived = TrainResult & { readonly at: number };

const interrupted = () => new Interrupted('interrupted');

const stepOf = ([loss, ...losses]: readonly number[]): StepResult => ({
  loss: loss!,
  losses: Float64Array.from(losses),
  ms: {},
});

const distinct = (blobs: readonly Blob[]): Blob[] => [
  ...new Map(blobs.map((blob) => [blob.sha256, blob])).values(),
];
