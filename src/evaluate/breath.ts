import { setImmediate } from 'node:timers/promises';

/** Milliseconds that a long computation may block the thread. */
const HOLD = 50;

/** Lets a long computation yield to the event loop now and then, and be stopped. */
export class Breath {
  readonly #signal: AbortSignal | undefined;
  #last = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** Await it often. @throws the reason with which the signal was aborted */
  async take(): Promise<void> {
    if (performance.now() - this.#last < HOLD) return;
    await setImmediate();
    this.#signal?.throwIfAborted();
    this.#last = performance.now();
  }
}
