/** A worker: takes jobs of its build, one per lane of each kind, until it is stopped. */
import type { Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { RunError, UsageError } from '../errors.js';
import { printable } from '../printable.js';
import { leave, processName, SIGN, sign } from './board.js';
import { queueOf } from './build.js';
import { Complaints } from './complaints.js';
import { type Connection, explained, isForbidden, isOutOfMemory, redisOptions } from './connect.js';
import { PREFIX } from './keys.js';
import type { Kind } from './kinds.js';
import { Hopeless, type Maker } from './maker.js';
import { emptyBroken, isEmptied, openQueue, tidy, useBuild } from './queues.js';
import { RETRY, untilRoom } from './room.js';
import { ask } from './silence.js';
import { Tally } from './tally.js';
import { aborted, every, finishes, Grace } from './waiting.js';

export interface ServeOptions {
  readonly build: string;
  /** Seconds without a sign of life after which a job's worker counts as lost. */
  readonly lostAfter: number;
  /** The cache's folder, which reasons for a failure do not show to others. */
  readonly cache: string;
  readonly onEvent: (event: ServeEvent) => void;
}

export type ServeEvent =
  | { readonly kind: 'note'; readonly text: string }
  /** Images made or steps taken so far, and their rate per second. */
  | {
      readonly kind: 'done';
      readonly unit: 'images' | 'steps';
      readonly count: number;
      readonly perSecond: number;
    };

/** What the services of a worker share. */
interface Common {
  readonly connection: Connection;
  readonly options: ServeOptions;
  readonly tally: Tally;
  readonly complaints: Complaints;
  readonly name: string;
  /** Ends the worker: no job can be done. */
  readonly giveUp: (error: Error) => void;
  /** For what a worker still asks of Redis as it ends. */
  readonly grace: Grace;
}

/** Serves one kind of job until the signal is aborted. */
export type Service = (common: Common, signal: AbortSignal) => Promise<void>;

export const service =
  <J, R>(kind: Kind<J, R>, maker: Maker<J, R>): Service =>
  (common, signal) =>
    new Server(kind, maker, common).run(signal);

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

/** Milliseconds for a part of the shutdown: Redis may be unreachable. */
const CLOSE = 3000;

/** Serves until the signal is aborted, and announces this process. Resolves to what it has done. */
export async function serve(
  services: readonly Service[],
  connection: Connection,
  options: ServeOptions,
  signal: AbortSignal,
): Promise<Tally> {
  const { redis } = connection;
  const complaints = new Complaints(connection, (text) => options.onEvent({ kind: 'note', text }));
  const hopeless = new AbortController();
  const common = {
    ...{ connection, options, complaints, tally: new Tally(), name: processName() },
    giveUp: (error: Error) => hopeless.abort(error),
    grace: new Grace(CLOSE),
  };
  const { tally, name, grace } = common;
  const signs = every(SIGN, async () => {
    try {
      await sign(redis, 'worker', { name, build: options.build, ...tally.sign });
    } catch (error) {
      if (isForbidden(error)) hopeless.abort(error);
    }
  });
  const broken = AbortSignal.any([connection.shut, hopeless.signal]);
  const ended = AbortSignal.any([signal, broken]);
  try {
    await Promise.all(services.map((each) => each(common, ended)));
    if (broken.aborted && !signal.aborted) throw broken.reason;
    return tally;
  } catch (error) {
    throw await explained(connection, error);
  } finally {
    clearInterval(signs);
    await grace.wait(leave(redis, 'worker', name));
  }
}

class Server<J, R> {
  private readonly kind: Kind<J, R>;
  private readonly maker: Maker<J, R>;
  private readonly connection: Connection;
  private readonly options: ServeOptions;
  private readonly tally: Tally;
  private readonly name: string;
  private readonly complaints: Complaints;
  private readonly giveUp: Common['giveUp'];
  private readonly grace: Grace;
  private lanes = 1;
  /** Jobs taken beyond the number of lanes. */
  private ahead = 0;
  private stopping = false;
  private readonly ended = new AbortController();
  private worker: Worker | undefined;
  private queue: Queue | undefined;
  private mending = false;
  /** Set while it takes no jobs. */
  private resting: NodeJS.Timeout | undefined;
  /** Consecutive failures. */
  private failures = 0;

  constructor(kind: Kind<J, R>, maker: Maker<J, R>, common: Common) {
    this.kind = kind;
    this.maker = maker;
    this.connection = common.connection;
    this.options = common.options;
    this.tally = common.tally;
    this.complaints = common.complaints;
    this.name = common.name;
    this.giveUp = common.giveUp;
    this.grace = common.grace;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { connection } = this;
    const { redis } = connection;
    const { build } = this.options;
    const opening = this.openAll();
    const timers: NodeJS.Timeout[] = [];
    try {
      if (await finishes(opening, signal)) {
        const upkeep = every(TIDY, async () => {
          await useBuild(redis, build);
          await tidy(connection, this.queue!);
        });
        timers.push(upkeep);
        // BullMQ replaces the other of its connections, on which it waits for jobs, by itself.
        void this.worker!.backend.client.then(
          (client) => this.stopping || timers.push(ask(client as unknown as Redis)),
        ).catch(() => undefined);
      }
      await aborted(signal);
      this.stopping = true;
      await this.maker.stop();
    } finally {
      this.stopping = true;
      for (const timer of timers) clearInterval(timer);
      clearTimeout(this.resting);
      if (this.worker) await this.grace.wait(this.worker.close());
      this.ended.abort();
      if (this.queue) await this.grace.wait(this.queue.close());
    }
  }

  private async openAll(): Promise<void> {
    const { connection, options, kind } = this;
    await useBuild(connection.redis, options.build);
    if (this.stopping) return;
    this.queue = await openQueue(connection, options.build, kind.name);
    if (!this.stopping) this.worker = await this.open();
  }

  private async open(): Promise<Worker> {
    const { Worker } = await import('bullmq');
    const { build, lostAfter } = this.options;
    const handle = (job: Job, token?: string) => this.handle(job, token);
    const worker = new Worker(queueOf(build, this.kind.name), handle, {
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
      this.tally.lanes = lanes;
      this.setConcurrency();
    });
    worker.on('error', (error) => this.meet(error));
    worker.on('stalled', () => this.complaints.note('a worker was lost; its job is taken over'));
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
    // Whoever wants it adds it again.
    if (isEmptied(job.data)) return null;
    try {
      const data = this.read(job);
      const begun = performance.now();
      const result = await this.maker.make(data);
      this.ahead = this.kind.ahead && performance.now() - begun < SHORT ? 1 : 0;
      this.setConcurrency();
      await this.put(job.id!, result);
      this.failures = 0;
      const { unit } = this.kind;
      const done = this.tally.done(unit, this.kind.sizeOf(data));
      this.options.onEvent({ kind: 'done', unit, ...done });
      return null;
    } catch (error) {
      if (this.stopping) {
        // Another worker takes it.
        await this.grace.wait(job.moveToWait(token));
        throw new WaitingError();
      }
      const { message } = error as Error;
      this.complaints.note(`${job.id?.slice(0, 12)}: ${message}`);
      const shown = message.replaceAll(this.options.cache, 'its cache');
      this.tally.fail(shown, error instanceof Hopeless);
      if (error instanceof Hopeless) throw new UnrecoverableError(shown);
      // This machine may be at fault: the pause lets others take the job.
      this.rest(Math.min(REST.first * 2 ** this.failures++, REST.most));
      throw new RunError(shown);
    }
  }

  /** @throws Hopeless for invalid data, or a job for another build */
  private read(job: Job): J {
    try {
      const { kind, options } = this;
      const data = kind.parse(job.data);
      const build = kind.buildOf(data);
      if (build !== options.build)
        throw new UsageError(`job.build: expected ${options.build}, got ${build}`);
      if (kind.idOf(data) !== job.id)
        throw new UsageError('job: expected an id that matches its data, got another');
      return data;
    } catch (error) {
      if (error instanceof UsageError) throw new Hopeless(error.message);
      throw error;
    }
  }

  private put(id: string, result: R): Promise<void> {
    return untilRoom(
      () => this.kind.put(this.connection.redis, id, result),
      (error) => {
        if (this.stopping) throw error;
        this.meet(error);
      },
    );
  }

  /** Errors of BullMQ outside of jobs. */
  private meet(error: Error): void {
    if (error instanceof SyntaxError) return void this.mend().catch(() => undefined);
    if (isForbidden(error)) return void this.giveUp(error);
    if (isOutOfMemory(error)) this.rest(RETRY);
    this.complaints.of(error);
  }

  /** A job's data are no JSON. */
  private async mend(): Promise<void> {
    const { queue } = this;
    if (!queue || this.mending) return;
    this.mending = true;
    try {
      for (const id of await emptyBroken(this.connection.redis, queue))
        this.complaints.note(
          `${printable(id).slice(0, 12)}: the job's data are damaged; it is taken off the queue`,
        );
    } finally {
      this.mending = false;
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
}
