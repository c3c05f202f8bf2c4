import type { Room } from '../../machine/memory.js';
import type { Build } from '../module.js';
import type { Task, Times, WalkerData } from '../walker.js';

/** WebAssembly's 32-bit address space. */
export const MAX_BYTES = 2 ** 32;

/**
 * What the engine needs from its environment: compiled kernels, workers, and the machine's resources. The rest of the engine
 * knows neither Node nor browsers.
 */
export interface Host {
  /** Available processors. */
  processors(): number;
  /** The fastest build that runs here. */
  bestBuild(): Build;
  /** The build for calls that give the same bits in both: whichever is available. */
  plainBuild(): Build;
  /** Why 256-bit vectors, for which kernels have larger blocks, are not available; null if they are. */
  lackOfWideVectors(): string | null;
  /** Whether to use them where nobody says. */
  wideByDefault(): boolean;
  /** The kernels, each kind compiled once per thread. */
  compile(build: Build, wide: boolean): WebAssembly.Module;
  /** The memory available to a plan, in a process with this many workers where others will use `reserve` bytes. */
  memoryRoom(threads: number, reserve: number): Room;
  /**
   * The size to which a memory for single calls may grow. If address space is not limited, this much is reserved for each; the
   * largest picture that Node decodes takes less than half of 4 GiB.
   */
  mostScratch(): number;
  /** Why address space is too small for these workers and memories growing to these sizes; null if it is not. */
  lackOfAddressSpace(wanted: { workers: number; memories: readonly number[] }): string | null;
  /** A copy that all workers can read: in shared memory, if there are other workers. */
  share(bytes: Uint8Array): ArrayBufferLike;
  startWorkers(threads: number, data: WalkerData): Workers;
}

/** Workers that walk programs, each with one task at a time. */
export interface Workers {
  /** The current number; a lost worker is replaced unless it fails as it starts. */
  readonly count: number;
  /** Resolves to null after an abort. @throws the worker's error, or the reason why it was lost */
  run(task: Task, signal: AbortSignal): Promise<Times | null>;
  /** Calls `notice` after a worker has been lost, and replaced if possible. */
  onLost(notice: () => void): void;
  /** Ends the workers, once all have started. */
  destroy(): Promise<void>;
}
