/**
 * The jobs of a run, from the side of who wants their results. A result is taken as soon as it is there; what became of a job without one
 * is looked at now and then, so that neither a restart of Redis nor a lost message can make anybody wait for ever.
 */
import type { Queue } from 'bullmq';
import { RunError } from '../errors.js';
import { printable } from '../printable.js';
import { type Connection, isOutOfMemory, memoryInWords } from './connect.js';
import { type GenerateJob, idOf, imagesInWords } from './generate-job.js';
import { getResults, removeResult } from './results.js';

/** Milliseconds between two looks for results. */
const LOOK = 100;

/** Looks after which the jobs themselves are looked at: every two seconds. */
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
  /** Called at each look at the jobs. */
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

  /** Jobs whose results are awaited. */
  get count(): number {
    return this.open.size;
  }

  /** The number of a job, and its result once that is there. @throws RunError when it has failed for good */
  async get(job: GenerateJob, bytes: number): Promise<Uint8Array> {
    if (this.ended) throw this.ended;
    const id = idOf(job);
    const result = new Promise<Uint8Array>((resolve, reject) => {
      this.open.set(id, { id, job, bytes, resolve, reject });
    });
    // An earlier run may have left the result, or the reason why there is none.
    await this.add(this.open.get(id)!).catch((error: unknown) => this.settle(id, { error }));
    return result;
  }

  /** What was got is on disk: Redis need not keep it. */
  done(job: GenerateJob): void {
    // One that stays goes by itself.
    removeResult(this.connection.redis, idOf(job)).catch(() => undefined);
  }

  /** Ends all that is awaited, and takes jobs back that nobody has begun. */
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
    for (const request of [...this.open.values()]) await this.check(request);
  }

  /** Hands results over that are there. */
  private async take(requests: readonly Request[]): Promise<void> {
    const results = await getResults(this.connection.redis, requests);
    for (const [i, { id }] of requests.entries()) {
      const pixels = results[i];
      if (pixels) this.settle(id, { pixels });
    }
  }

  /** A job that has failed ends the run; one that is gone without a result is added again. */
  private async check(request: Request): Promise<void> {
    const state = await this.queue.getJobState(request.id);
    if (state === 'failed') {
      const job = await this.queue.getJob(request.id);
      const why = reasonOf(job?.failedReason);
      const error = new RunError(`${imagesInWords(request.job.images)}: given up: ${why}`);
      this.settle(request.id, { error });
    } else if (state === 'unknown') {
      // It may have been finished since the last look.
      await this.take([request]);
      if (this.open.has(request.id)) await this.add(request);
    }
  }

  private async add({ id, job, bytes }: Request): Promise<void> {
    const { redis } = this.connection;
    const [found] = await getResults(redis, [{ id, bytes }]);
    if (found) return this.settle(id, { pixels: found });
    // What failed for an earlier run, or lost its result, is tried anew.
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
    else void this.explain(outcome.error).then(request.reject);
  }

  /** In words of Haze what Redis says in its own. */
  private async explain(error: unknown): Promise<unknown> {
    const { address, info } = this.connection;
    if (!(error instanceof Error) || error.name !== 'ReplyError') return error;
    if (!isOutOfMemory(error))
      return new RunError(`${address.shown}: ${error.message}`, { cause: error });
    const memory = await info().then(memoryInWords, () => 'full');
    return new RunError(
      `${address.shown} takes nothing more, ${memory}; free some or set maxmemory higher, and run the same command again`,
      { cause: error },
    );
  }
}

/** BullMQ's words for a job that was lost with its workers. */
const STALLED = /stalled more than allowable limit/;

function reasonOf(reason = 'without a reason'): string {
  if (STALLED.test(reason))
    return 'every worker that had it was lost: killed, out of memory, or cut off for too long';
  return printable(reason);
}
