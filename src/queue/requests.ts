/**
 * The jobs of a run, from the side of the requester. A result is taken as soon as it is there; jobs without one
 * are checked periodically, so that neither a restart of Redis nor a lost message makes anybody wait forever.
 */
import type { Queue } from 'bullmq';
import { RunError } from '../errors.js';
import { printable } from '../printable.js';
import { type Connection, explained } from './connect.js';
import { type GenerateJob, idOf, imagesInWords } from './generate-job.js';
import { getResults, removeResult } from './results.js';

/** Milliseconds between two polls for results. */
const LOOK = 100;

/** Polls after which the jobs themselves are checked: every two seconds. */
const LOOKS = 20;

interface Request {
  readonly id: string;
  readonly job: GenerateJob;
  readonly bytes: number;
  readonly resolve: (pixels: Uint8Array) => void;
  readonly reject: (error: unknown) => void;
}

export class Requests {
  private readonly connection: Connection;
  private readonly queue: Queue;
  /** Called at each check of the jobs. */
  private readonly upkeep: () => Promise<void>;
  private readonly open = new Map<string, Request>();
  private timer: NodeJS.Timeout | undefined;
  private looks = 0;
  private ended: unknown;

  constructor(connection: Connection, queue: Queue, upkeep: () => Promise<void>) {
    this.connection = connection;
    this.queue = queue;
    this.upkeep = upkeep;
    this.next();
  }

  /** Number of jobs whose results are awaited. */
  get count(): number {
    return this.open.size;
  }

  /** Requests a job, and resolves to its result. @throws RunError if it has finally failed */
  async get(job: GenerateJob, bytes: number): Promise<Uint8Array> {
    if (this.ended) throw this.ended;
    const id = idOf(job);
    const result = new Promise<Uint8Array>((resolve, reject) => {
      this.open.set(id, { id, job, bytes, resolve, reject });
    });
    // An earlier run may have left the result, or a failure.
    await this.add(this.open.get(id)!).catch((error: unknown) => this.settle(id, { error }));
    return result;
  }

  /** The result is on disk: Redis need not keep it. */
  done(job: GenerateJob): void {
    // If removal fails, it expires on its own.
    removeResult(this.connection.redis, idOf(job)).catch(() => undefined);
  }

  /** Rejects all requests, and withdraws jobs that nobody has started. */
  async end(error: unknown): Promise<void> {
    this.ended = error;
    clearTimeout(this.timer);
    const ids = [...this.open.keys()];
    for (const id of ids) this.settle(id, { error });
    await Promise.allSettled(ids.map((id) => this.queue.remove(id)));
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
  private async take(requests: readonly Request[]): Promise<void> {
    const results = await getResults(this.connection.redis, requests);
    for (const [i, { id }] of requests.entries()) {
      const pixels = results[i];
      if (pixels) this.settle(id, { pixels });
    }
  }

  /** A failed job ends the run; one that disappeared without a result is added again. */
  private async check(request: Request): Promise<void> {
    const state = await this.queue.getJobState(request.id);
    if (state === 'failed') {
      const job = await this.queue.getJob(request.id);
      const why = reasonOf(job?.failedReason);
      const error = new RunError(`${imagesInWords(request.job.images)}: given up: ${why}`);
      this.settle(request.id, { error });
    } else if (state === 'unknown') {
      // It may have finished since the last poll.
      await this.take([request]);
      if (this.open.has(request.id)) await this.add(request);
    }
  }

  private async add({ id, job, bytes }: Request): Promise<void> {
    const { redis } = this.connection;
    const [found] = await getResults(redis, [{ id, bytes }]);
    if (found) return this.settle(id, { pixels: found });
    // A job that failed for an earlier run, or lost its result, is tried again.
    const state = await this.queue.getJobState(id);
    if (state === 'failed' || state === 'completed') await this.queue.remove(id);
    await this.queue.add('generate', job, { jobId: id });
  }

  private fail(error: unknown): void {
    for (const id of [...this.open.keys()]) this.settle(id, { error });
  }

  private settle(id: string, outcome: { pixels: Uint8Array } | { error: unknown }): void {
    const request = this.open.get(id);
    if (!request) return;
    this.open.delete(id);
    if ('pixels' in outcome) request.resolve(outcome.pixels);
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
