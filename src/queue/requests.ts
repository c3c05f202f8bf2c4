/**
 * The jobs of a run, from the side of the requester. A result is taken as soon as it is there; jobs without one
 * are checked periodically, so that neither a restart of Redis nor a lost message makes anybody wait forever.
 */
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { RunError } from '../errors.js';
import { printable } from '../printable.js';
import { SIGN } from './board.js';
import { type Connection, explained, isOutOfMemory } from './connect.js';
import type { Kind } from './kinds.js';
import { untilRoom } from './room.js';

/** Milliseconds between two polls for results. */
const LOOK = 100;

/** Most reasons of failed attempts to report. */
const MOST_TOLD = 20;

/** Polls after which the jobs themselves are checked, and the run announces itself. */
const LOOKS = (1000 * SIGN) / LOOK;

export interface RequestsOptions<J, R> {
  readonly kind: Kind<J, R>;
  readonly connection: Connection;
  readonly queue: Queue;
  /**
   * Called at each check of the jobs. What it throws ends the requests, unless Redis is out of memory.
   * @param failing whether one has failed since the last result, and is to be tried again
   */
  readonly upkeep: (failing: boolean) => Promise<void>;
  /** Called when Redis has no room for a job; requests are repeated until it has. */
  readonly onFull: () => Promise<void>;
  readonly onNote: (text: string) => void;
}

interface Request<J, R> {
  readonly id: string;
  readonly job: J;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

export class Requests<J, R> {
  private readonly options: RequestsOptions<J, R>;
  private readonly open = new Map<string, Request<J, R>>();
  /** Jobs in the queue that nobody has finished or given up. */
  private readonly queued = new Set<string>();
  /** Jobs whose results are taken, which may still be in the queue. */
  private readonly taken = new Set<string>();
  private timer: NodeJS.Timeout | undefined;
  private looks = 0;
  private ended: unknown;
  private failing = false;
  /** Reasons of failed attempts that have been reported. */
  private readonly told = new Set<string>();

  constructor(options: RequestsOptions<J, R>) {
    this.options = options;
    this.next();
  }

  /** Number of jobs whose results are awaited. */
  get count(): number {
    return this.open.size;
  }

  /** Whether they have ended: an upkeep that is still running must not announce the run again. */
  get haveEnded(): boolean {
    return this.ended !== undefined;
  }

  /** Requests a job, and resolves to its result. @throws RunError if it has finally failed */
  async get(job: J): Promise<R> {
    if (this.ended) throw this.ended;
    const id = this.kind.idOf(job);
    const result = new Promise<R>((resolve, reject) => {
      this.open.set(id, { id, job, resolve, reject });
    });
    // An earlier run may have left the result, or a failure. Whoever waits for the result waits for no answer of Redis.
    this.addWithRoom(this.open.get(id)!).catch((error: unknown) => this.settle(id, { error }));
    return result;
  }

  /** The result is on disk: Redis need not keep it. */
  done(job: J): void {
    // If removal fails, it expires on its own.
    this.kind.remove(this.redis, this.kind.idOf(job)).catch(() => undefined);
  }

  /** Rejects all requests, and withdraws jobs that nobody has started. */
  async end(error: unknown): Promise<void> {
    this.ended = error;
    clearTimeout(this.timer);
    this.fail(error);
    await Promise.allSettled([...this.queued, ...this.taken].map((id) => this.queue.remove(id)));
  }

  private get kind(): Kind<J, R> {
    return this.options.kind;
  }

  private get queue(): Queue {
    return this.options.queue;
  }

  private get redis(): Redis {
    return this.options.connection.redis;
  }

  private next(): void {
    this.timer = setTimeout(() => {
      this.look()
        .catch((error: unknown) =>
          isOutOfMemory(error) ? this.options.onFull() : this.fail(error),
        )
        .finally(() => {
          if (!this.ended) this.next();
        });
    }, LOOK);
  }

  private async look(): Promise<void> {
    await this.take([...this.open.values()]);
    if (this.looks++ % LOOKS !== 0) return;
    await this.options.upkeep(this.failing);
    await Promise.all([...this.open.values()].map((request) => this.check(request)));
    await Promise.all([...this.taken].map((id) => this.withdraw(id)));
  }

  /** Takes a job off the queue that is done: one whose worker was lost as soon as it had stored the result would be done again. */
  private async withdraw(id: string): Promise<void> {
    // A job that a worker holds stays; it may be about to report that it is done.
    if ((await this.queue.getJobState(id)) === 'unknown' || (await this.queue.remove(id)) === 1)
      this.taken.delete(id);
  }

  /** Takes results that have arrived. */
  private async take(requests: readonly Request<J, R>[]): Promise<void> {
    const results = await this.kind.get(this.redis, requests);
    for (const [i, { id }] of requests.entries()) {
      const result = results[i];
      if (!result) continue;
      this.failing = false;
      this.settle(id, { result });
    }
  }

  /** A failed job ends the run; one that disappeared without a result is added again. */
  private async check(request: Request<J, R>): Promise<void> {
    const state = await this.queue.getJobState(request.id);
    if (state === 'failed') {
      const job = await this.queue.getJob(request.id);
      const why = reasonOf(job?.failedReason);
      // `haze queue` shows why.
      this.queued.delete(request.id);
      const error = new RunError(`${this.kind.inWords(request.job)}: given up: ${why}`);
      this.settle(request.id, { error });
    } else if (state === 'delayed') {
      await this.tellOfFailure(request);
    } else if (state === 'unknown') {
      // It may have finished since the last poll.
      await this.take([request]);
      if (this.open.has(request.id)) await this.add(request);
    }
  }

  /** A job that waits for another attempt: each reason is reported once. */
  private async tellOfFailure({ id, job }: Request<J, R>): Promise<void> {
    this.failing = true;
    const found = await this.queue.getJob(id);
    const why = reasonOf(found?.failedReason);
    if (this.told.has(why) || this.told.size >= MOST_TOLD) return;
    this.told.add(why);
    this.options.onNote(`${this.kind.inWords(job)}: failed, and is tried again: ${why}`);
  }

  private addWithRoom(request: Request<J, R>): Promise<void> {
    return untilRoom(
      () => this.add(request),
      () => {
        if (this.ended) throw this.ended;
        void this.options.onFull();
      },
    );
  }

  private async add({ id, job }: Request<J, R>): Promise<void> {
    const [result] = await this.kind.get(this.redis, [{ id, job }]);
    if (result) return this.settle(id, { result });
    // A job that failed for an earlier run, or lost its result, is tried again.
    const state = await this.queue.getJobState(id);
    if (state === 'failed' || state === 'completed') await this.queue.remove(id);
    if (this.ended) throw this.ended;
    this.taken.delete(id);
    this.queued.add(id);
    await this.queue.add(this.kind.name, job, { jobId: id });
  }

  private fail(error: unknown): void {
    for (const id of [...this.open.keys()]) this.settle(id, { error });
  }

  private settle(id: string, outcome: { result: R } | { error: unknown }): void {
    const request = this.open.get(id);
    if (!request) return;
    this.open.delete(id);
    if ('result' in outcome) {
      if (this.queued.delete(id)) this.taken.add(id);
      request.resolve(outcome.result);
    } else void explained(this.options.connection, outcome.error).then(request.reject);
  }
}

/** BullMQ's message for a job that was lost with its workers. */
const STALLED = /stalled more than allowable limit/;

function reasonOf(reason = 'without a reason'): string {
  if (STALLED.test(reason))
    return 'every worker that took it was lost: killed, out of memory, or disconnected for too long';
  return printable(reason);
}
