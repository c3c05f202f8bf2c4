/** The steps between which replicas go their own ways. */

/** Rounds end after every so many steps, and with the run. Without rounds each step is one. Steps are counted by those taken. */
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

  /** Whether one ends when so many steps are taken. */
  endsAt(taken: number): boolean {
    return taken % this.every === 0 || taken === this.total;
  }

  /** How many were taken when the one began that ended, or goes on, at `taken` steps. */
  beginOf(taken: number): number {
    return Math.floor((taken - 1) / this.every) * this.every;
  }

  /** How many are taken when the one ends that the next step is of. */
  endAfter(taken: number): number {
    return Math.min(this.beginOf(taken + 1) + this.every, Math.max(this.total, taken + 1));
  }

  /** Whether a multiple of `period` lies in the one that ends at `taken` steps; 0 has none. */
  reaches(period: number, taken: number): boolean {
    if (period === 0) return false;
    return Math.floor(taken / period) > Math.floor(this.beginOf(taken) / period);
  }
}
