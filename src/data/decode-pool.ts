/** A Piscina pool that decodes items into shared memory. */
import { setMaxListeners } from 'node:events';
import { Piscina } from 'piscina';
import { mostScratch } from '../engine/scratch.js';
import { RunError } from '../errors.js';
import { fsPath, nameText } from '../io/raw-path.js';
import { addressSpace, addressSpaceLeft, requireAddressSpace } from '../machine/address-space.js';
import { WorkerStarts } from '../worker-start.js';
import { imageBytes, type Target } from './decode.js';
import type { DecodeResult, DecodeTask, DecodeWorkerData, Failure } from './decode-worker.js';
import { DecodingMemory, MOST_BYTES } from './decoding-memory.js';
import { reasonOf } from './reason.js';
import type { Item } from './source.js';

/** Items per task: enough that posting it (a fraction of a millisecond) is negligible. */
const CHUNK: Record<Item['kind'], number> = { file: 8, car: 16, record: 256 };

/**
 * Tasks in flight per worker: while one ends, the other continues, and libvips with it, on its own threads. With only
 * one, a tenth of the time is lost. A caller that asks for a single worker wants to leave cores free, so it gets one.
 */
const tasksAtATime = (threads: number): number => (threads > 1 ? 2 : 1);

/** Failures that are retried, of which ten are shown: each takes about a millisecond. */
const TRIED_AGAIN = 1000;

/** Items to decode, in order. */
export interface DecodeJob {
  readonly count: number;
  /** Item i in [0, count). */
  readonly item: (i: number) => Item;
  /** Where the images go, from its start; null only checks that they can be decoded. */
  readonly out: SharedArrayBuffer | null;
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Memory of a worker's kernels, which scale its images. */
const decoder = () => ({ workers: 1, memories: [mostScratch()] });

/** The number of workers that address space allows. @throws RunError if there is not enough for one */
function affordable(threads: number): number {
  requireAddressSpace('decoding images', decoder());
  return Math.min(threads, Math.floor(addressSpaceLeft() / addressSpace(decoder())));
}

/** Decoding workers; their order does not matter, since each image has its own place. */
export class DecodePool {
  readonly #pool: Piscina<DecodeTask, DecodeResult>;
  readonly #memory: DecodingMemory;
  readonly #bytes: number;
  readonly #starts: WorkerStarts;
  readonly #running = new Set<Promise<unknown>>();
  /** Aborted, with the reason, when all workers are lost and none could be started. */
  readonly #lost = new AbortController();
  #closed = false;

  private constructor(target: Target, threads: number, budget: number) {
    this.#memory = new DecodingMemory(budget);
    const { shared } = this.#memory;
    const workerData: DecodeWorkerData = { target, memory: { budget, shared } };
    this.#bytes = imageBytes(target);
    this.#pool = new Piscina({
      filename: new URL('./decode-worker.js', import.meta.url).href,
      workerData,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: tasksAtATime(threads),
      // A worker waits for libvips as well as for tasks, so it must not block in an atomic wait.
      atomics: 'disabled',
    });
    this.#starts = new WorkerStarts(this.#pool);
    let reason: unknown = new Error('all of them have ended');
    // A worker that is lost without a task fails none, and another takes its place.
    this.#pool.on('error', (error) => {
      reason = error;
    });
    this.#pool.on('workerDestroy', () =>
      setImmediate(() => {
        if (this.#pool.threads.length === 0 && !this.#closed) this.#lost.abort(reason);
      }),
    );
    setMaxListeners(0, this.#lost.signal);
  }

  /**
   * @param budget bytes of pictures being decoded at once, over all workers
   * @throws RunError if address space is limited and not enough for one worker
   */
  static async open(target: Target, threads: number, budget = MOST_BYTES): Promise<DecodePool> {
    // The main thread must load libvips first and keep it (sharp's rule for worker threads).
    await import('sharp');
    return new DecodePool(target, affordable(threads), budget);
  }

  /**
   * Resolves to the unreadable items and the doubtful ones, in order. After an aborted job the pool decodes
   * nothing more.
   * @throws the reason with which `signal` was aborted; RunError, also if the machine has too little memory for an item
   */
  async decode(job: DecodeJob): Promise<DecodeResult> {
    const stop = () => this.#memory.stop();
    job.signal?.addEventListener('abort', stop, { once: true });
    try {
      const { failures, doubts } = await this.#decodeAll(job);
      const again = await this.#tryAgain(job, failures);
      return { failures: again.failures, doubts: [...doubts, ...again.doubts].sort(byItem) };
    } finally {
      job.signal?.removeEventListener('abort', stop);
    }
  }

  async #decodeAll({ count, item, out, onProgress, signal }: DecodeJob): Promise<DecodeResult> {
    const size = count > 0 ? CHUNK[item(0).kind] : 1;
    const failures: Failure[] = [];
    const doubts: Failure[] = [];
    let next = 0;
    let done = 0;
    // Each lane keeps one task queued or running, so no worker idles, and the queue stays short for millions of items.
    const lane = async (): Promise<void> => {
      while (next < count) {
        signal?.throwIfAborted();
        const begin = next;
        next = Math.min(count, begin + size);
        const items = Array.from({ length: next - begin }, (_, i) => item(begin + i));
        const result = await this.#run({ items, out: this.#place(out, begin) });
        // An interrupted task has not tried all of its items.
        signal?.throwIfAborted();
        const ofJob = (f: Failure): Failure => ({ ...f, item: begin + f.item });
        failures.push(...result.failures.map(ofJob));
        doubts.push(...result.doubts.map(ofJob));
        done += items.length;
        onProgress?.(done);
      }
    };
    const { maxThreads: threads } = this.#pool;
    await Promise.all(Array.from({ length: 2 * threads * tasksAtATime(threads) }, lane));
    return { failures: failures.sort(byItem), doubts };
  }

  /** Retries items one by one, to get each one's own reason. An item that can be read now is no failure. */
  async #tryAgain(
    { item, out, signal }: DecodeJob,
    failures: readonly Failure[],
  ): Promise<DecodeResult> {
    const isTried = ({ fault }: Failure, n: number) => n < TRIED_AGAIN || fault !== undefined;
    const tried = failures.filter(isTried);
    const again: Failure[] = [];
    const doubts: Failure[] = [];
    for (const { item: i } of tried) {
      signal?.throwIfAborted();
      const result = await this.#run({ items: [item(i)], out: this.#place(out, i) });
      const fault = result.failures.find((failure) => failure.fault !== undefined)?.fault;
      if (fault !== undefined) throw new RunError(`cannot read ${nameOf(item(i))}: ${fault}`);
      again.push(...result.failures.map((f) => ({ ...f, item: i })));
      doubts.push(...result.doubts.map((f) => ({ ...f, item: i })));
    }
    const rest = failures
      .filter((failure, n) => !isTried(failure, n))
      .map((failure) => ({ ...failure, reason: 'it cannot be read' }));
    return { failures: [...again, ...rest].sort(byItem), doubts };
  }

  #place(out: SharedArrayBuffer | null, item: number): DecodeTask['out'] {
    return out && { buffer: out, offset: item * this.#bytes };
  }

  /** Waits until the workers have started and finished their tasks. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#starts.settled();
    await Promise.allSettled(this.#running);
    await this.#pool.destroy();
  }

  async #run(task: DecodeTask): Promise<DecodeResult> {
    if (this.#closed) throw new Error('the data set is closed');
    const { signal } = this.#lost;
    const result = this.#pool.run(task, { signal });
    this.#running.add(result);
    try {
      return await result;
    } catch (error) {
      const cause: unknown = signal.aborted ? signal.reason : error;
      throw new RunError(`a worker that decodes images was lost: ${reasonOf(cause)}`, { cause });
    } finally {
      this.#running.delete(result);
    }
  }
}

/** For messages. */
const nameOf = (item: Item): string =>
  item.kind === 'file' ? nameText(Buffer.from(fsPath(item.path))) : 'images';

const byItem = (a: Failure, b: Failure): number => a.item - b.item;
