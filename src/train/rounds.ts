/** Rounds: stretches of steps in which replicas are independent. */

/** Rounds end after every `every` steps, and with the run. Without rounds each step is one. `taken` counts finished steps. */
export class Rounds {
  private readonly every: number;
  private readonly total: number;

  /**
   * @param every steps of a round; null: none
   * @param total steps of the run
   */
  constructor(every: number | null, total: number) {
    this.every = every ?? 1;
    this.total = total;
  }

  /** Whether a round ends after this many steps. */
  endsAt(taken: number): boolean {
    return taken % this.every === 0 || taken === this.total;
  }

  /** Steps taken at the beginning of the round that ends at, or contains, `taken`. */
  beginOf(taken: number): number {
    return Math.floor((taken - 1) / this.every) * this.every;
  }

  /** Steps taken at the end of the round of the next step. */
  endAfter(taken: number): number {
    return Math.min(this.beginOf(taken + 1) + this.every, Math.max(this.total, taken + 1));
  }

  /** Whether a multiple of `period` lies in the round that ends at `taken`; 0 has none. */
  reaches(period: number, taken: number): boolean {
    if (period === 0) return false;
    return Math.floor(taken / period) > Math.floor(this.beginOf(taken) / period);
  }
}
