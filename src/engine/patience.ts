/** Polls before sleeping when others need the core: about 10 µs. */
const SHORT = 20_000;
/** Polls when the core is free: about 3 ms. Workers with a core each differ by less, unless something delays one. */
const LONG = 8_000_000;
/** What a wait that ended in time adds to the next limit. */
const STEP = LONG / 256;

/**
 * How long a worker spins at a barrier before it sleeps. A step has hundreds of barriers, and on a virtual machine waking
 * can take 100 µs, so spinning pays. But if other programs, or more workers than cores, need the core, the awaited worker
 * may not run before the spinning one sleeps: a wait that ended in sleep shortens the next ones, and they grow again
 * slowly. Measured with another program on one of two cores: about as fast as always spinning briefly.
 */
export class Patience {
  readonly workers: number;
  readonly #most: number;
  #spins: number;

  constructor(workers: number, cores: number) {
    this.workers = workers;
    this.#most = workers <= cores ? LONG : SHORT;
    this.#spins = this.#most;
  }

  get spins(): number {
    return this.#spins;
  }

  learn(slept: boolean): void {
    this.#spins = slept
      ? Math.max(SHORT, this.#spins >> 2)
      : Math.min(this.#most, this.#spins + STEP);
  }
}
