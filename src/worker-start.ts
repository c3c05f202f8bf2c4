import type { Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';

/**
 * The workers of a pool that are still loading their modules, replacements of lost ones among them. Node may abort
 * the whole process when a worker is ended while it loads.
 */
export class WorkerStarts {
  readonly #pool: Pick<Piscina, 'threads'>;
  readonly #starting = new Set<Promise<unknown>>();
  readonly #seen = new WeakSet<Worker>();

  /** To be called as soon as the pool exists: a worker that has started says so once. */
  constructor(pool: Pick<Piscina, 'threads' | 'on'>) {
    this.#pool = pool;
    this.#watch();
    // Piscina replaces a lost worker right after it has told of it.
    pool.on('workerDestroy', () => queueMicrotask(() => this.#watch()));
  }

  /** Resolves when no worker is starting. */
  async settled(): Promise<void> {
    while (this.#starting.size > 0) await Promise.all(this.#starting);
  }

  #watch(): void {
    for (const worker of this.#pool.threads) {
      if (this.#seen.has(worker)) continue;
      this.#seen.add(worker);
      const started = startOf(worker);
      this.#starting.add(started);
      void started.then(() => this.#starting.delete(started));
    }
  }
}

/** Resolves at the worker's first message, which Piscina's send when they have loaded, or at its end. */
const startOf = (worker: Worker): Promise<unknown> =>
  new Promise((resolve) => {
    worker.once('message', resolve);
    worker.once('exit', resolve);
  });
