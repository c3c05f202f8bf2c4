import type { Room } from '../../machine/memory.js';
import type { Build } from '../module.js';
import type { Task, Times, WalkerData } from '../walker.js';

/** WebAssembly's 32-bit address space. */
export const MAX_BYTES = 2 ** 32;

/**
 * What the engine needs of where it runs: the kernels' modules, workers, and what the machine has. The rest of the engine
 * knows neither Node nor browsers.
 */
export interface Host {
  /** Processors that may be used. */
  processors(): number;
  /** The fastest build that runs here. */
  bestBuild(): Build;
  /** The build for calls that give the same bits in both: whichever is at hand. */
  plainBuild(): Build;
  /** Why vectors of 256 bits cannot be had, for which kernels have larger blocks; null where they can. */
  lackOfWideVectors(): string | null;
  /** The kernels, each kind compiled once a thread. */
  compile(build: Build, wide: boolean): WebAssembly.Module;
  /** Room for what is planned, in a process of so many workers, `reserve` bytes of which others will use. */
  memoryRoom(threads: number, reserve: number): Room;
  /**
   * To what size a memory for single calls may grow. Where no room is kept around memories this much is reserved for each, and the
   * largest picture that Node decodes takes less than half of 4 GiB.
   */
  mostScratch(): number;
  /** Why there is no address space for so many workers and memories that may grow to these sizes; null where there is. */
  lackOfAddressSpace(wanted: { workers: number; memories: readonly number[] }): string | null;
  /** A copy that all workers read: in shared memory, where there are others. */
  share(bytes: Uint8Array): ArrayBufferLike;
  startWorkers(threads: number, data: WalkerData): Workers;
}

/** Workers that walk programs, each a task at a time. */
export interface Workers {
  /** Those that are there; a lost one is replaced unless it fails as it starts. */
  readonly count: number;
  /** Resolves to null after an abort. @throws what the worker threw, or why it was lost */
  run(task: Task, signal: AbortSignal): Promise<Times | null>;
  /** Calls back after a worker has been lost, and replaced where that can be. */
  onLost(notice: () => void): void;
  /** Ends them, once all have started. */
  destroy(): Promise<void>;
}
