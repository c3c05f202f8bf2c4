/** A queue worker's computation: one model at a time, with as many concurrent batches as it has threads. */
import type { ComputingConfig } from '../config/config.js';
import type { Generator } from '../contracts/generator.js';
import { makeTrajectory, type Trajectory } from '../diffusion/sampler.js';
import { makeSchedule } from '../diffusion/schedule.js';
import { stepsInWords } from '../diffusion/steps-in-words.js';
import { EngineError, UsageError } from '../errors.js';
import { checkNetworkOf, readWeights } from '../io/weights.js';
import type { Connection } from '../queue/connect.js';
import {
  bytesOfImage,
  computingOf,
  type GenerateJob,
  idOf,
  type Recipe,
} from '../queue/generate-job.js';
import { type Maker, type MakerOptions, Stopped } from '../queue/maker.js';
import { openGenerator } from './open-generator.js';
import type { GenerateOptions } from './options.js';

/** An open model. */
interface Current {
  readonly id: string;
  readonly recipe: Recipe;
  readonly generator: Generator;
  /** Lanes without a job. */
  readonly free: number[];
}

export class JobMaker implements Maker<GenerateJob, Uint8Array> {
  private readonly connection: Pick<Connection, 'redis'>;
  private readonly options: MakerOptions;
  private readonly waiting: (() => void)[] = [];
  private current: Current | undefined;
  private notice: (lanes: number) => void = () => {};
  /** Jobs take lanes in the order of arrival, so that no other model's job waits forever. */
  private turn: Promise<unknown> = Promise.resolve();
  private stopped = false;

  constructor(connection: Pick<Connection, 'redis'>, options: MakerOptions) {
    this.connection = connection;
    this.options = options;
  }

  onLanes(notice: (lanes: number) => void): void {
    this.notice = notice;
  }

  async make(job: GenerateJob): Promise<Uint8Array> {
    const taken = this.turn.then(() => this.take(job.recipe));
    this.turn = taken.catch(() => undefined);
    const { current, lane } = await taken;
    try {
      return await this.makeIn(current, lane, job);
    } catch (error) {
      if (this.stopped) throw new Stopped();
      throw error instanceof EngineError ? new EngineError(error.message) : error;
    } finally {
      current.free.push(lane);
      this.wake();
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.wake();
    await this.current?.generator.dispose();
  }

  /** The batches of a job: several if memory is not enough for one. */
  private async makeIn(
    { generator, recipe }: Current,
    lane: number,
    { images }: GenerateJob,
  ): Promise<Uint8Array> {
    const each = bytesOfImage(recipe);
    const pixels = new Uint8Array(images.length * each);
    for (let at = 0; at < images.length; at += generator.batch) {
      const batch = Uint32Array.from(images.slice(at, at + generator.batch));
      pixels.set(await generator.make(lane, batch), at * each);
    }
    return pixels;
  }

  /** A lane of the recipe's model. */
  private async take(recipe: Recipe): Promise<{ current: Current; lane: number }> {
    const id = idOf(recipe);
    while (!this.stopped) {
      if (this.current?.id !== id) await this.change(id, recipe);
      const { current } = this;
      const lane = current?.free.pop();
      if (current && lane !== undefined) return { current, lane };
      await this.release();
    }
    throw new Stopped();
  }

  /** Opens another model once the previous one is no longer used. */
  private async change(id: string, recipe: Recipe): Promise<void> {
    while (this.current && this.current.free.length < this.current.generator.lanes) {
      if (this.stopped) throw new Stopped();
      await this.release();
    }
    const { current } = this;
    this.current = undefined;
    await current?.generator.dispose();
    const trajectory = makeTrajectory(makeSchedule(recipe.diffusion), recipe.sampling);
    const generator = await this.open(recipe, trajectory);
    const free = Array.from({ length: generator.lanes }, (_, lane) => lane);
    this.current = { id, recipe, generator, free };
    this.options.onNote(
      `weights ${recipe.weights.sha256.slice(0, 12)}: ${generator.description}, batches of ${generator.batch}, ${stepsInWords(trajectory)}`,
    );
    this.notice(generator.lanes);
  }

  private async open(recipe: Recipe, trajectory: Trajectory): Promise<Generator> {
    const { cache, threads } = this.options;
    const { model, autoencoder, guide, batch } = recipe;
    const weights = cache.pathOf(recipe.weights);
    const state = await cache.read(this.connection.redis, recipe.weights, async (path) => {
      await checkNetworkOf(path, model, 'the job');
      return readWeights(path);
    });
    const guided = guide && {
      ...{ model: guide.model, guidance: guide.guidance },
      weights: await cache.file(this.connection.redis, guide.weights),
    };
    if (guided) await checkNetworkOf(guided.weights, guided.model, 'the job');
    const decoder = autoencoder && {
      config: autoencoder.config,
      weights: await cache.file(this.connection.redis, autoencoder.weights),
    };
    const schedule = makeSchedule(recipe.diffusion);
    const options = {
      ...{ ...recipe, ...this.forms(), weights },
      ...{ guide: guided, autoencoder: decoder },
    };
    const yields = recipe.sampling.norm === 'running';
    const share = { batch, lanes: threads, workers: threads, yields };
    return openGenerator(options, 'wasm', trajectory, schedule, share, state).catch((error) => {
      if (!(error instanceof UsageError)) throw error;
      throw new UsageError(`this worker cannot draw them: ${error.message}`);
    });
  }

  /** Further options for a generator. */
  private forms(): Pick<GenerateOptions, 'computing' | 'requireCuda'> {
    const { threads, strict, wide } = this.options;
    const own: Pick<ComputingConfig, 'threads' | 'strict' | 'wide'> = { threads, strict, wide };
    return { computing: computingOf(own), requireCuda: false };
  }

  private release(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
