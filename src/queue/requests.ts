/**
 * The jobs of a run, from the side of the requester. A result is taken as soon as it is there; jobs without one
 * are checked periodically, so that neither a restart of Redis nor a lost message makes anybody wait forever.
 */
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { RunError } from '../errors.js';
import { printable } from '../printable.js';
import { type Connection, explained } from './connect.js';
import type { Kind } from './kinds.js';

/** Milliseconds between two polls for results. */
const LOOK = 100;

/** Polls after which the jobs themselves are checked: every two seconds. */
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
  /** Called at each check of the jobs. */
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
    // An earlier run may have left the result, or a failure.
    await this.add(this.open.get(id)!).catch((error: unknown) => this.settle(id, { error }));
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

  /** Takes results that have arrived. */
  private async take(requests: readonly Request<J, R>[]): Promise<void> {
    const results = await this.kind.get(this.redis, requests);
    for (const [i, { id }] of requests.entries()) {
      const result = results[i];
      if (result) this.settle(id, { result });
    }
  }

  /** A failed job ends the run; one that disappeared without a result is added again. */
  private async check(request: Request<J, R>): Promise<void> {
    const state = await this.queue.getJobState(request.id);
    if (state === 'failed') {
      const job = await this.queue.getJob(request.id);
      const why = reasonOf(job?.failedReason);
      const error = new RunError(`${this.kind.inWords(request.job)}: given up: ${why}`);
      this.settle(request.id, { error });
    } else if (state === 'unknown') {
      // It may have finished since the last poll.
      await this.take([request]);
      if (this.open.has(request.id)) await this.add(request);
    }
  }

  private async add({ id, job }: Request<J, R>): Promise<void> {
    const [result] = await this.kind.get(this.redis, [{ id, job }]);
    if (result) return this.settle(id, { result });
    // A job that failed for an earlier run, or lost its result, is tried again.
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

/** BullMQ's message for a job that was lost with its workers. */
const STALLED = /stalled more than allowable limit/;

function reasonOf(reason = 'without a reason'): string {
  if (STALLED.test(reason))
    return 'every worker that took it was lost: killed, out of memory, or disconnected for too long';
  return printable(reason);
}
