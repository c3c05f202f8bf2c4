/** A worker: takes jobs of its build, one per lane, until it is stopped. */
import type { Job, Worker } from 'bullmq';
import { UsageError } from '../errors.js';
import { leave, processName, Rate, SIGN, sign } from './board.js';
import { queueOf } from './build.js';
import {
  type Connection,
  explained,
  isOutOfMemory,
  memoryInWords,
  redisOptions,
} from './connect.js';
import { type GenerateJob, idOf, parseJob } from './generate-job.js';
import { PREFIX } from './keys.js';
import { openQueue, tidy, useBuild } from './queues.js';
import { putResult } from './results.js';

/** Computes the images. */
export interface Maker {
  /** Number of concurrent batches: known once the first job has arrived, and may change with the model. */
  onLanes(notice: (lanes: number) => void): void;
  /** The images of a job: u8 [images, size, size, channels]. @throws Stopped after `stop` */
  make(job: GenerateJob): Promise<Uint8Array>;
  /** Drops running work. */
  stop(): Promise<void>;
}

/** Thrown by running work when the worker is stopped. */
export class Stopped extends Error {}

export interface ServeOptions {
  readonly build: string;
  /** Seconds without a sign of life after which a job's worker counts as lost. */
  readonly lostAfter: number;
  readonly onEvent: (event: ServeEvent) => void;
}

export type ServeEvent =
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'done'; readonly images: number; readonly imagesPerSecond: number };

/**
 * How many workers a job may lose before it is abandoned. A lost worker usually has other reasons, and takes all of its jobs
 * with it; but a job that kills every worker must be stopped eventually.
 */
const MOST_LOST = 8;

/** Seconds between two clean-ups of what dead processes left. */
const TIDY = 600;

/** Milliseconds for which a worker takes no job after a failure: doubled after each, up to a minute. */
const REST = { first: 5000, most: 60_000 };

/** Longest duration of a short job in milliseconds: many times the transfer of its result. */
const SHORT = 2000;

/** Milliseconds within which a message is not repeated. */
const REPEAT = 10_000;

/** Milliseconds to wait for room in Redis. */
const FULL = 1000;

/** Serves until the signal is aborted. Resolves to the number of images drawn. */
export async function serve(
  connection: Connection,
  maker: Maker,
  options: ServeOptions,
  signal: AbortSignal,
): Promise<number> {
  try {
    return await new Server(connection, maker, options).run(signal);
  } catch (error) {
    throw await explained(connection, error);
  }
}

class Server {
  private readonly connection: Connection;
  private readonly maker: Maker;
  private readonly options: ServeOptions;
  private readonly name = processName();
  private readonly start = performance.now();
  private readonly rate = new Rate();
  private lanes = 1;
  /** Jobs taken beyond the number of lanes. */
  private ahead = 0;
  private images = 0;
  private failed = 0;
  private stopping = false;
  private readonly ended = new AbortController();
  private worker: Worker | undefined;
  /** Set while it takes no jobs. */
  private resting: NodeJS.Timeout | undefined;
  /** Consecutive failures. */
  private failures = 0;
  private last = { text: '', time: 0 };

  constructor(connection: Connection, maker: Maker, options: ServeOptions) {
    this.connection = connection;
    this.maker = maker;
    this.options = options;
  }

  async run(signal: AbortSignal): Promise<number> {
    const { redis, address } = this.connection;
    const { build } = this.options;
    await useBuild(redis, build);
    const queue = await openQueue(address, build, this.ended.signal);
    const worker = await this.open();
    this.worker = worker;
    const signs = every(SIGN, () => this.sign());
    const upkeep = every(TIDY, async () => {
      await useBuild(redis, build);
      await tidy(redis, queue, address);
    });
    try {
      await aborted(signal);
      this.stopping = true;
      await this.maker.stop();
    } finally {
      clearInterval(signs);
      clearInterval(upkeep);
      clearTimeout(this.resting);
      await within(CLOSE, worker.close());
      await within(CLOSE, leave(redis, 'worker', this.name));
      this.ended.abort();
      await within(CLOSE, queue.close());
    }
    return this.images;
  }

  private async open(): Promise<Worker> {
    const { Worker } = await import('bullmq');
    const { build, lostAfter } = this.options;
    const handle = (job: Job, token?: string) => this.handle(job, token);
    const worker = new Worker(queueOf(build), handle, {
      connection: redisOptions(this.connection.address, this.ended.signal),
      prefix: PREFIX,
      name: this.name,
      concurrency: 1,
      lockDuration: 1000 * lostAfter,
      stalledInterval: 500 * lostAfter,
      maxStalledCount: MOST_LOST,
    });
    this.maker.onLanes((lanes) => {
      this.lanes = lanes;
      this.setConcurrency();
    });
    worker.on('error', (error) => this.tellOf(error));
    worker.on('stalled', () => this.note('a worker was lost; its job is taken over'));
    return worker;
  }

  /**
   * While a short job's result is being sent, the lane already has the next job. Long jobs are not taken ahead, since another worker
   * may be idle by then.
   */
  private setConcurrency(): void {
    if (this.worker) this.worker.concurrency = this.lanes + this.ahead;
  }

  private async handle(job: Job, token: string | undefined): Promise<null> {
    const { UnrecoverableError, WaitingError } = await import('bullmq');
    try {
      const data = this.read(job);
      const begun = performance.now();
      const pixels = await this.maker.make(data);
      this.ahead = performance.now() - begun < SHORT ? 1 : 0;
      this.setConcurrency();
      await this.put(job.id!, pixels);
      this.images += data.images.length;
      this.failures = 0;
      const imagesPerSecond = this.rate.of(this.images);
      this.options.onEvent({ kind: 'done', images: this.images, imagesPerSecond });
      return null;
    } catch (error) {
      if (this.stopping) {
        // Another worker takes it.
        await within(CLOSE, job.moveToWait(token));
        throw new WaitingError();
      }
      this.failed++;
      const { message } = error as Error;
      this.note(`${job.id?.slice(0, 12)}: ${message}`);
      if (error instanceof Hostile) throw new UnrecoverableError(message);
      // The fault may be this machine's: give others time to take the job.
      this.rest(Math.min(REST.first * 2 ** this.failures++, REST.most));
      throw error;
    }
  }

  /** @throws Hostile for an invalid job, or one for another build */
  private read(job: Job): GenerateJob {
    try {
      const data = parseJob(job.data);
      const { build } = this.options;
      if (data.build !== build)
        throw new UsageError(`job.build: expected ${build}, got ${data.build}`);
      if (idOf(data) !== job.id)
        throw new UsageError('job: expected an id that matches its data, got another');
      return data;
    } catch (error) {
      if (error instanceof UsageError) throw new Hostile(error.message);
      throw error;
    }
  }

  /** Waits for room if Redis is full: whoever takes results makes some. */
  private async put(id: string, pixels: Uint8Array): Promise<void> {
    for (;;)
      try {
        await putResult(this.connection.redis, id, pixels);
        return;
      } catch (error) {
        if (!isOutOfMemory(error) || this.stopping) throw error;
        this.tellOf(error as Error);
        await new Promise((resolve) => setTimeout(resolve, FULL));
      }
  }

  /** Takes no jobs for this many milliseconds. */
  private rest(milliseconds: number): void {
    if (this.stopping || this.resting) return;
    void this.worker?.pause(true);
    this.resting = setTimeout(() => {
      this.resting = undefined;
      void this.worker?.resume();
    }, milliseconds);
  }

  private async sign(): Promise<void> {
    const seconds = Math.round((performance.now() - this.start) / 1000);
    const { name, lanes, images, failed } = this;
    const imagesPerSecond = this.rate.of(images);
    const about = { name, build: this.options.build, lanes, seconds, images, imagesPerSecond };
    await sign(this.connection.redis, 'worker', { ...about, failed });
  }

  /** Errors of BullMQ outside of jobs. */
  private tellOf(error: Error): void {
    if (isOutOfMemory(error)) {
      this.rest(FULL);
      void this.connection.info().then(
        (info) => this.note(`${this.connection.address.shown} is full, ${memoryInWords(info)}`),
        () => {},
      );
    } else if (/could not renew lock|Missing (lock|key) for job/.test(error.message)) {
      this.note('a job was taken from this worker, which was unreachable for too long');
    } else if (!('code' in error) && !/Connection is closed/.test(error.message)) {
      // The connection already reports that Redis is unreachable.
      this.note(error.message);
    }
  }

  private note(text: string): void {
    const now = performance.now();
    if (text === this.last.text && now - this.last.time < REPEAT) return;
    this.last = { text, time: now };
    this.options.onEvent({ kind: 'note', text });
  }
}

/** A job with invalid data: no worker can do it. */
class Hostile extends Error {}

/** Milliseconds for each part of the shutdown: Redis may be unreachable. */
const CLOSE = 3000;

/** Waits for work for a limited time, ignoring its outcome. */
async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([
    work.then(
      () => undefined,
      () => undefined,
    ),
    late,
  ]);
  clearTimeout(timer);
}

/** Does something at once and then every so many seconds; failures are retried then. */
function every(seconds: number, work: () => Promise<void>): NodeJS.Timeout {
  const once = () => void work().catch(() => undefined);
  once();
  return setInterval(once, 1000 * seconds);
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
