import { setImmediate } from 'node:timers/promises';

/** Milliseconds that a long computation holds the thread. */
const HOLD = 50;

/** Lets a long computation on this thread be seen to and be stopped, now and then. */
export class Breath {
  readonly #signal: AbortSignal | undefined;
  #last = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** To be awaited often. @throws what the signal was aborted with */
  async take(): Promise<void> {
    if (performance.now() - this.#last < HOLD) return;
    await setImmediate();
    this.#signal?.throwIfAborted();
    this.#last = performance.now();
  }
}
