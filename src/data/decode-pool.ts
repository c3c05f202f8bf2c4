/** A Piscina pool that decodes items into shared memory. */
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { imageBytes, type Target } from './decode.js';
import type { DecodeTask, Failure } from './decode-worker.js';
import type { Item } from './source.js';

/** Items a task: enough that its hand-over (a fraction of a millisecond) does not count. */
const CHUNK: Record<Item['kind'], number> = { file: 8, car: 16, record: 256 };

/** Workers that decode; the order of their work changes nothing, since each image has its own place. */
export class DecodePool {
  readonly #pool: Piscina<DecodeTask, Failure[]>;
  readonly #bytes: number;
  readonly #ready: Promise<unknown>;
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  private constructor(target: Target, threads: number) {
    this.#bytes = imageBytes(target);
    this.#pool = new Piscina({
      filename: new URL('./decode-worker.js', import.meta.url).href,
      workerData: target,
      minThreads: threads,
      maxThreads: threads,
      // A worker waits for libvips, not only for tasks, so it must not block in an atomic wait.
      atomics: 'disabled',
    });
    this.#ready = Promise.all(this.#pool.threads.map(started));
  }

  static async open(target: Target, threads: number): Promise<DecodePool> {
    // libvips must be loaded by the main thread first and stay (sharp's rule for worker threads).
    await import('sharp');
    return new DecodePool(target, threads);
  }

  /**
   * Decodes `count` items into `out`, one after the other from its start (null: tries them only).
   * Resolves to the failures, in order.
   */
  async decode(
    count: number,
    item: (i: number) => Item,
    out: SharedArrayBuffer | null,
    onProgress?: (done: number) => void,
  ): Promise<Failure[]> {
    const size = count > 0 ? CHUNK[item(0).kind] : 1;
    const failures: Failure[] = [];
    let next = 0;
    let done = 0;
    // Each lane keeps one task waiting or running: no worker idles, and no million tasks queue up.
    const lane = async (): Promise<void> => {
      while (next < count) {
        const begin = next;
        next = Math.min(count, begin + size);
        const items = Array.from({ length: next - begin }, (_, i) => item(begin + i));
        const place = out && { buffer: out, offset: begin * this.#bytes };
        for (const f of await this.#run({ items, out: place }))
          failures.push({ ...f, item: begin + f.item });
        done += items.length;
        onProgress?.(done);
      }
    };
    await Promise.all(Array.from({ length: 2 * this.#pool.maxThreads }, lane));
    return failures.sort((a, b) => a.item - b.item);
  }

  /**
   * Waits for the workers to have started and to finish the tasks they have: Node may abort the whole
   * process when a worker is ended while it loads its modules.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#ready;
    await Promise.allSettled(this.#running);
    await this.#pool.destroy();
  }

  async #run(task: DecodeTask): Promise<Failure[]> {
    if (this.#closed) throw new Error('the data set is closed');
    const result = this.#pool.run(task);
    this.#running.add(result);
    try {
      return await result;
    } finally {
      this.#running.delete(result);
    }
  }
}

/** Piscina's workers send a message once their modules are loaded. */
const started = (worker: Worker): Promise<unknown> =>
  new Promise((resolve) => {
    worker.once('message', resolve);
    worker.once('exit', resolve);
  });
