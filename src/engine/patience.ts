/** Looks before a sleep where others need the core: about 10 µs. */
const SHORT = 20_000;
/** Looks where the core is ours: about 3 ms. Workers with a core each are less apart, unless something holds one up. */
const LONG = 8_000_000;
/** What a wait that ended in time adds to the next. */
const STEP = LONG / 256;

/**
 * How long a worker spins at a barrier before it sleeps. A step has hundreds of barriers, and on a virtual machine it can
 * take 100 µs to wake, so that spinning pays. But where other programs, or more workers than cores, want the core, the one
 * waited for may not run before the spinner sleeps: a wait in vain makes the next ones shorter, and they grow again little by
 * little. Measured with another program on one of two cores: about as fast as spinning briefly always.
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
