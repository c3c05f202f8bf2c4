/** A Piscina pool that decodes items into shared memory. */
import { Piscina } from 'piscina';
import { mostScratch } from '../engine/scratch.js';
import { RunError } from '../errors.js';
import { addressSpace, addressSpaceLeft, requireAddressSpace } from '../machine/address-space.js';
import { WorkerStarts } from '../worker-start.js';
import { imageBytes, type Target } from './decode.js';
import type { DecodeTask, Failure } from './decode-worker.js';
import { reasonOf } from './reason.js';
import type { Item } from './source.js';

/** Items a task: enough that its hand-over (a fraction of a millisecond) does not count. */
const CHUNK: Record<Item['kind'], number> = { file: 8, car: 16, record: 256 };

/**
 * Tasks a worker has in hand: while the one ends, the other goes on, and libvips with it, on threads of its own. With one
 * at a time, a tenth of the time is lost. A single worker is asked for by those who want cores left, so it gets one.
 */
const tasksAtATime = (threads: number): number => (threads > 1 ? 2 : 1);

/** Failures that are tried again, of which ten are shown: each takes a millisecond or so. */
const TRIED_AGAIN = 1000;

/** Items to decode, one after the other. */
export interface DecodeJob {
  readonly count: number;
  /** Item i in [0, count). */
  readonly item: (i: number) => Item;
  /** Where their images go, from its start; null only tries them. */
  readonly out: SharedArrayBuffer | null;
  readonly onProgress?: ((done: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What the kernels of a worker take, which scale its images. */
const decoder = () => ({ workers: 1, memories: [mostScratch()] });

/** As many workers as address space is left for. @throws RunError when there is none for one */
function affordable(threads: number): number {
  requireAddressSpace('decoding images', decoder());
  return Math.min(threads, Math.floor(addressSpaceLeft() / addressSpace(decoder())));
}

/** Workers that decode; the order of their work changes nothing, since each image has its own place. */
export class DecodePool {
  readonly #pool: Piscina<DecodeTask, Failure[]>;
  readonly #bytes: number;
  readonly #starts: WorkerStarts;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  private constructor(target: Target, threads: number) {
    this.#bytes = imageBytes(target);
    this.#pool = new Piscina({
      filename: new URL('./decode-worker.js', import.meta.url).href,
      workerData: target,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: tasksAtATime(threads),
      // A worker waits for libvips, not only for tasks, so it must not block in an atomic wait.
      atomics: 'disabled',
    });
    this.#starts = new WorkerStarts(this.#pool);
  }

  /** @throws RunError where address space is limited and does not do for one worker */
  static async open(target: Target, threads: number): Promise<DecodePool> {
    // libvips must be loaded by the main thread first and stay (sharp's rule for worker threads).
    await import('sharp');
    return new DecodePool(target, affordable(threads));
  }

  /**
   * Resolves to the items that could not be read, in order.
   * @throws what `signal` is aborted with; RunError, also for an item that the machine has too little left for
   */
  async decode(job: DecodeJob): Promise<Failure[]> {
    return this.#tryAgain(job, await this.#decodeAll(job));
  }

  async #decodeAll({ count, item, out, onProgress, signal }: DecodeJob): Promise<Failure[]> {
    const size = count > 0 ? CHUNK[item(0).kind] : 1;
    const failures: Failure[] = [];
    let next = 0;
    let done = 0;
    // Each lane keeps one task waiting or running, as many wait as run: no worker idles, and no million tasks queue up.
    const lane = async (): Promise<void> => {
      while (next < count) {
        signal?.throwIfAborted();
        const begin = next;
        next = Math.min(count, begin + size);
        const items = Array.from({ length: next - begin }, (_, i) => item(begin + i));
        for (const f of await this.#run({ items, out: this.#place(out, begin) }))
          failures.push({ ...f, item: begin + f.item });
        done += items.length;
        onProgress?.(done);
      }
    };
    const { maxThreads: threads } = this.#pool;
    await Promise.all(Array.from({ length: 2 * threads * tasksAtATime(threads) }, lane));
    return failures.sort((a, b) => a.item - b.item);
  }

  /** One by one, for reasons that are each item's own. What can be read now, after all, is no failure. */
  async #tryAgain(
    { item, out, signal }: DecodeJob,
    failures: readonly Failure[],
  ): Promise<Failure[]> {
    const isTried = ({ fault }: Failure, n: number) => n < TRIED_AGAIN || fault !== undefined;
    const tried = failures.filter(isTried);
    const again: Failure[] = [];
    for (const { item: i } of tried) {
      signal?.throwIfAborted();
      const [failure] = await this.#run({ items: [item(i)], out: this.#place(out, i) });
      if (failure?.fault !== undefined) throw new RunError(`cannot read images: ${failure.fault}`);
      if (failure) again.push({ ...failure, item: i });
    }
    const rest = failures
      .filter((failure, n) => !isTried(failure, n))
      .map((failure) => ({ ...failure, reason: 'it cannot be read' }));
    return [...again, ...rest];
  }

  #place(out: SharedArrayBuffer | null, item: number): DecodeTask['out'] {
    return out && { buffer: out, offset: item * this.#bytes };
  }

  /** Waits for the workers to have started and to finish the tasks they have. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#starts.settled();
    await Promise.allSettled(this.#running);
    await this.#pool.destroy();
  }

  async #run(task: DecodeTask): Promise<Failure[]> {
    if (this.#closed) throw new Error('the data set is closed');
    const result = this.#pool.run(task);
    this.#running.add(result);
    try {
      return await result;
    } catch (error) {
      throw new RunError(`a worker that decodes images was lost: ${reasonOf(error)}`, {
        cause: error,
      });
    } finally {
      this.#running.delete(result);
    }
  }
}
