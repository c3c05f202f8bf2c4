/**
 * Changes of the same files in Redis, one after the other. A run renews its files every two seconds, and uploads those that are missing: were it to remove
 * them meanwhile, it would upload them again, and nobody would remove them.
 */
export class Turns {
  private last: Promise<unknown> = Promise.resolve();

  /** Does this after all that were asked for before, whether they failed or not. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}
