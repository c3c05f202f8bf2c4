/**
 * The jobs of a run, from the side of who wants their results. A result is taken as soon as it is there; what became of a job without one
 * is looked at now and then, so that neither a restart of Redis nor a lost message can make anybody wait for ever.
 */
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { RunError } from '../errors.js';
import { printable } from '../printable.js';
import { type Connection, explained } from './connect.js';
import type { Kind } from './kinds.js';

/** Milliseconds between two looks for results. */
const LOOK = 100;

/** Looks after which the jobs themselves are looked at: every two seconds. */
const LOOKS = 20;

interface Request<J, R> {
  readonly id: string;
  readonly job: J;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

export class Requests<J, R> {
  private readonly kind: Kind<J, R>;
  private readonly connection: Connection;
  private readonly queue: Queue;
  /** Called at each look at the jobs. */
  private readonly upkeep: () => Promise<void>;
  private readonly open = new Map<string, Request<J, R>>();
  private timer: NodeJS.Timeout | undefined;
  private looks = 0;
  private ended: unknown;

  constructor(kind: Kind<J, R>, connection: Connection, queue: Queue, upkeep: () => Promise<void>) {
    this.kind = kind;
    this.connection = connection;
    this.queue = queue;
    this.upkeep = upkeep;
    this.next();
  }

  /** Jobs whose results are awaited. */
  get count(): number {
    return this.open.size;
  }

  /** The number of a job, and its result once that is there. @throws RunError when it has failed for good */
  async get(job: J): Promise<R> {
    if (this.ended) throw this.ended;
    const id = this.kind.idOf(job);
    const result = new Promise<R>((resolve, reject) => {
      this.open.set(id, { id, job, resolve, reject });
    });
    // An earlier run may have left the result, or the reason why there is none.
    await this.add(this.open.get(id)!).catch((error: unknown) => this.settle(id, { error }));
    return result;
  }

  /** What was got is on disk: Redis need not keep it. */
  done(job: J): void {
    // One that stays goes by itself.
    this.kind.remove(this.redis, this.kind.idOf(job)).catch(() => undefined);
  }

  /** Ends all that is awaited, and takes jobs back that nobody has begun. */
  async end(error: unknown): Promise<void> {
    this.ended = error;
    clearTimeout(this.timer);
    const ids = [...this.open.keys()];
    for (const id of ids) this.settle(id, { error });
    await Promise.allSettled(ids.map((id) => this.queue.remove(id)));
  }

  private get redis(): Redis {
    return this.connection.redis;
  }

  private next(): void {
    this.timer = setTimeout(() => {
      this.look()
        .catch((error: unknown) => this.fail(error))
        .finally(() => {
          if (!this.ended) this.next();
        });
    }, LOOK);
  }

  private async look(): Promise<void> {
    await this.take([...this.open.values()]);
    if (this.looks++ % LOOKS !== 0) return;
    await this.upkeep();
    await Promise.all([...this.open.values()].map((request) => this.check(request)));
  }

  /** Hands results over that are there. */
  private async take(requests: readonly Request<J, R>[]): Promise<void> {
    const results = await this.kind.get(this.redis, requests);
    for (const [i, { id }] of requests.entries()) {
      const result = results[i];
      if (result) this.settle(id, { result });
    }
  }

  /** A job that has failed ends the run; one that is gone without a result is added again. */
  private async check(request: Request<J, R>): Promise<void> {
    const state = await this.queue.getJobState(request.id);
    if (state === 'failed') {
      const job = await this.queue.getJob(request.id);
      const why = reasonOf(job?.failedReason);
      const error = new RunError(`${this.kind.inWords(request.job)}: given up: ${why}`);
      this.settle(request.id, { error });
    } else if (state === 'unknown') {
      // It may have been finished since the last look.
      await this.take([request]);
      if (this.open.has(request.id)) await this.add(request);
    }
  }

  private async add({ id, job }: Request<J, R>): Promise<void> {
    const [result] = await this.kind.get(this.redis, [{ id, job }]);
    if (result) return this.settle(id, { result });
    // What failed for an earlier run, or lost its result, is tried anew.
    const state = await this.queue.getJobState(id);
    if (state === 'failed' || state === 'completed') await this.queue.remove(id);
    await this.queue.add(this.kind.name, job, { jobId: id });
  }

  private fail(error: unknown): void {
    for (const id of [...this.open.keys()]) this.settle(id, { error });
  }

  private settle(id: string, outcome: { result: R } | { error: unknown }): void {
    const request = this.open.get(id);
    if (!request) return;
    this.open.delete(id);
    if ('result' in outcome) request.resolve(outcome.result);
    else void explained(this.connection, outcome.error).then(request.reject);
  }
}

/** BullMQ's words for a job that was lost with its workers. */
const STALLED = /stalled more than allowable limit/;

function reasonOf(reason = 'without a reason'): string {
  if (STALLED.test(reason))
    return 'every worker that had it was lost: killed, out of memory, or cut off for too long';
  return printable(reason);
}
