import { setMaxListeners } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import { WorkerStarts } from '../../worker-start.js';
import type { Task, Times, WalkerData } from '../walker.js';
import type { Workers } from './host.js';

/** Piscina's worker threads. */
export class Pool implements Workers {
  private readonly pool: Piscina;
  private readonly starts: WorkerStarts;

  constructor(threads: number, workerData: WalkerData) {
    // Loaded lazily: `--help` and single kernels need no workers.
    const piscina = createRequire(import.meta.url)('piscina') as typeof import('piscina');
    this.pool = new piscina.Piscina({
      filename: fileURLToPath(new URL('./worker.js', import.meta.url)),
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      // Idle workers wait in their event loops, where they can be ended at any time, not in an atomic wait.
      atomics: 'disabled',
      workerData,
      execArgv: [],
    });
    this.pool.on('error', () => {}); // A lost worker fails its task, which the engine reports.
    this.starts = new WorkerStarts(this.pool);
  }

  get count(): number {
    return this.pool.threads.length;
  }

  async run(task: Task, signal: AbortSignal): Promise<Times | null> {
    // All tasks of a run listen to one signal. Node takes more than ten for a leak, and says so on stderr.
    setMaxListeners(0, signal);
    return (await this.pool.run(task, { signal })) as Times | null;
  }

  onLost(notice: () => void): void {
    this.pool.on('workerDestroy', () => setImmediate(notice));
  }

  async destroy(): Promise<void> {
    await this.starts.settled();
    await this.pool.destroy();
  }
}
