import type { Worker } from 'node:worker_threads';

/**
 * Resolves when the workers of a pool have loaded their modules, for which Piscina's send a message, or have ended.
 * Node may abort the whole process when a worker is ended while it loads.
 */
export const allStarted = (workers: readonly Worker[]): Promise<unknown> =>
  Promise.all(workers.map(started));

const started = (worker: Worker): Promise<unknown> =>
  new Promise((resolve) => {
    worker.once('message', resolve);
    worker.once('exit', resolve);
  });
