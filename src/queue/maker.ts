/** The part of a worker that computes jobs of one kind. */
import type { BlobCache } from './blob-cache.js';

export interface Maker<J, R> {
  /** Calls `notice` with the number of concurrent jobs: once the first has arrived, and again if it changes. */
  onLanes(notice: (lanes: number) => void): void;
  /** @throws Stopped after `stop`; Hopeless for a job that would fail on every worker */
  make(job: J): Promise<R>;
  /** Drops running jobs. */
  stop(): Promise<void>;
}

export interface MakerOptions {
  readonly threads: number;
  readonly strict: boolean;
  readonly wide: boolean | null;
  readonly cache: BlobCache;
  readonly onNote: (text: string) => void;
}

/** Thrown by running jobs when the worker is stopped. */
export class Stopped extends Error {}

/** Thrown for a job that would fail on every worker, so that it is not retried. */
export class Hopeless extends Error {}
