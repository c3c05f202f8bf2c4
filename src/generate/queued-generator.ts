/** Batches drawn by remote workers, for `generate --queue`. */
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Generator } from '../contracts/generator.js';
import type { Trajectory } from '../diffusion/sampler.js';
import { Interrupted } from '../errors.js';
import { readWeights } from '../io/weights.js';
import type { StateDict } from '../network/state.js';
import { parseAddress } from '../queue/address.js';
import { BlobCache } from '../queue/blob-cache.js';
import { type Blob, keepBlob, missingBytes } from '../queue/blobs.js';
import { leave, Rate, runName } from '../queue/board.js';
import { buildId, kernelBuild } from '../queue/build.js';
import { checkRoom } from '../queue/capacity.js';
import { type Connection, connect, explained } from '../queue/connect.js';
import { bytesOfImage, type GenerateJob, type Recipe } from '../queue/generate-job.js';
import { MOST_BYTES } from '../queue/keys.js';
import { GENERATE } from '../queue/kinds.js';
import { record, sweep } from '../queue/ledger.js';
import { enterQueue } from '../queue/queues.js';
import { Requests } from '../queue/requests.js';
import { Team } from '../queue/team.js';
import { Turns } from '../queue/turns.js';
import { readDecoder } from '../sample/decode.js';
import { plural } from '../units.js';
import { unlessAborted } from '../unless-aborted.js';
import type { GenerateOptions } from './options.js';

/** Jobs requested at one time: enough for some hundreds of threads, and a limit for the results that wait in Redis. */
const MOST_JOBS = 1024;

export class QueuedGenerator implements Generator {
  readonly device = 'wasm';
  readonly build: string;
  readonly aligned = true;
  readonly lanes: number;
  readonly batch: number;
  readonly steps: number;
  private readonly connection: Connection;
  private readonly queue: Queue;
  private readonly requests: Requests<GenerateJob, Uint8Array>;
  private readonly blobs: Paths;
  private readonly recipe: Recipe;
  private readonly buildId: string;
  private readonly total: number;
  private readonly team: Team;
  private readonly files = new Turns();
  private readonly name: string;
  private readonly rate = new Rate();
  /** Jobs whose images are not all on disk yet, by image. */
  private readonly unkept = new Map<number, { readonly job: GenerateJob; left: number }>();
  private done = 0;
  private leaving: Promise<void> | undefined;

  private constructor(
    connection: Connection,
    queue: Queue,
    name: string,
    recipe: Recipe,
    blobs: Paths,
    options: QueuedOptions,
  ) {
    this.connection = connection;
    this.queue = queue;
    this.name = name;
    this.recipe = recipe;
    this.blobs = blobs;
    this.buildId = buildId(options.computing.strict);
    this.build = kernelBuild(options.computing.strict);
    this.batch = recipe.batch;
    this.total = options.missing;
    this.lanes = lanesOf(recipe, options.missing);
    this.steps = options.trajectory.timesteps.length;
    const build = this.buildId;
    const { onNote } = options;
    this.team = new Team({ connection, build, name, id: name, onNote });
    this.requests = new Requests({
      ...{ kind: GENERATE, connection, queue, onNote },
      upkeep: (failing) => this.upkeep(failing),
      onFull: () => this.team.isFull(),
    });
  }

  /** Connects, and uploads the weights for workers, and a decoder's. @throws like `connect`; UsageError if Redis has no room */
  static async open(options: QueuedOptions, state: StateDict): Promise<QueuedGenerator> {
    const { onNote, signal } = options;
    const address = parseAddress('--queue', options.queue!);
    const connection = await connect('--queue', address, { onNote, signal });
    // Redis may hang.
    const unlessInterrupted = <T>(work: Promise<T>) => unlessAborted(signal, work, interrupted);
    try {
      const cache = new BlobCache();
      await cache.open();
      const { recipe, blobs } = await cached(options, state, cache);
      const name = runName();
      await unlessInterrupted(makeRoom(connection, name, recipe, blobs, options.missing));
      const build = buildId(options.computing.strict);
      const queue = await unlessInterrupted(enterQueue(connection, build, GENERATE.name));
      return new QueuedGenerator(connection, queue, name, recipe, blobs, options);
    } catch (error) {
      const said = await explained(connection, error);
      connection.close();
      throw said;
    }
  }

  get description(): string {
    return `workers of ${this.connection.address.shown} (${this.buildId})`;
  }

  async make(
    _: number,
    images: Uint32Array,
    wanted: readonly number[] = [...images],
  ): Promise<Uint8Array> {
    const job: GenerateJob = { build: this.buildId, recipe: this.recipe, images: [...images] };
    const pixels = await this.requests.get(job);
    const open = { job, left: wanted.length };
    for (const image of wanted) this.unkept.set(image, open);
    return pixels;
  }

  /** Redis keeps a result until all of its images are on disk. */
  kept(image: number): void {
    this.done++;
    const open = this.unkept.get(image);
    if (!open) return;
    this.unkept.delete(image);
    open.left--;
    if (open.left === 0) this.requests.done(open.job);
  }

  stepsDone(): number {
    return 0;
  }

  dispose(): Promise<void> {
    this.leaving ??= this.leave();
    return this.leaving;
  }

  private async leave(): Promise<void> {
    const leaving = Promise.all([
      this.requests.end(interrupted()),
      // Another one continues with what is there.
      this.done === this.total ? this.files.take(() => this.sweep()) : undefined,
      leave(this.connection.redis, 'run', this.name),
    ]).then(() => this.queue.close());
    // Redis may be unreachable.
    await Promise.race([leaving.catch(() => undefined), later(LEAVE)]);
    this.connection.close();
  }

  private sweep(): Promise<void> {
    return sweep(this.connection.redis, this.name, []);
  }

  private async keep(): Promise<void> {
    if (this.requests.haveEnded) return;
    const { redis } = this.connection;
    await keepBlobs(redis, this.name, this.blobs);
  }

  /** Every two seconds: keeps the weights in Redis, announces this run, and looks for workers. */
  private async upkeep(failing: boolean): Promise<void> {
    await this.files.take(() => this.keep());
    if (this.requests.haveEnded) return;
    const { done, total } = this;
    const imagesPerSecond = this.rate.of(done);
    await this.team.look({ done, total, imagesPerSecond, jobs: this.requests.count }, failing);
  }
}

export interface QueuedOptions extends GenerateOptions {
  readonly trajectory: Trajectory;
  readonly batch: number;
  /** Images to draw. */
  readonly missing: number;
  readonly onNote: (text: string) => void;
}

/** Milliseconds for leaving. */
const LEAVE = 3000;

const later = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds).unref());

/** As many jobs as there is work for, and whose results fit into the room for them in Redis. */
function lanesOf(recipe: Recipe, missing: number): number {
  const { batch } = recipe;
  const room = Math.floor(MOST_BYTES / (batch * bytesOfImage(recipe)));
  return Math.max(1, Math.min(MOST_JOBS, room, Math.ceil(missing / batch) + 1));
}

/** The recipe of a run, whose weights are in the cache. */
async function cached(options: QueuedOptions, state: StateDict, cache: BlobCache) {
  const { model, diffusion, sampling, condition = null, guide = null, seed, batch } = options;
  const { autoencoder = null } = options;
  const weights = await cache.add(state);
  const other = guide ? await cache.add(await readWeights(guide.weights)) : null;
  const decoder = autoencoder ? await cache.add(await readDecoder(autoencoder)) : null;
  const recipe: Recipe = {
    weights,
    model,
    autoencoder: autoencoder && decoder && { config: autoencoder.config, weights: decoder },
    // The loss matters only in training.
    diffusion: { ...diffusion, loss: 'l1' },
    sampling,
    condition,
    guide: guide && other && { weights: other, model: guide.model, guidance: guide.guidance },
    seed,
    batch,
  };
  const all = [weights, other, decoder].filter((blob) => blob !== null);
  return { recipe, blobs: all.map((blob) => [cache.pathOf(blob), blob] as const) };
}

const interrupted = () => new Interrupted('interrupted');

/** Files in the cache. */
type Paths = readonly (readonly [path: string, blob: Blob])[];

/** Keeps the weights in Redis, where the run's record says whose they are. */
async function keepBlobs(redis: Redis, run: string, blobs: Paths): Promise<void> {
  await record(
    redis,
    run,
    blobs.map(([, blob]) => blob),
  );
  for (const [path, blob] of blobs) await keepBlob(redis, path, blob);
}

/** Uploads the weights if Redis has room for them and for waiting results. */
async function makeRoom(
  connection: Connection,
  run: string,
  recipe: Recipe,
  blobs: Paths,
  missing: number,
): Promise<void> {
  const { redis } = connection;
  const missingOf = await Promise.all(blobs.map(([, blob]) => missingBytes(redis, blob)));
  const weights = blobs.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  const there = weights - missingOf.reduce((sum, bytes) => sum + bytes, 0);
  const images = Math.min(missing, lanesOf(recipe, missing) * recipe.batch);
  const held = weights + images * bytesOfImage(recipe);
  const what = `weights, and ${plural(images, 'image')} in transit`;
  checkRoom(connection, await connection.info(), { held, there, what });
  await keepBlobs(redis, run, blobs);
}
