/**
 * Work that a few hands do beside its producers, and that may not pile up: once `room` items wait, `put` waits too.
 * The first failure ends it: what waits is dropped, and every later call throws it.
 */
export class BoundedQueue<T> {
  private readonly handle: (item: T) => Promise<void>;
  private readonly room: number;
  private readonly hands: number;
  private readonly items: T[] = [];
  private busy = 0;
  private failure: { readonly error: unknown } | undefined;
  private waiting: (() => void)[] = [];

  constructor(
    handle: (item: T) => Promise<void>,
    { room, hands }: { room: number; hands: number },
  ) {
    this.handle = handle;
    this.room = room;
    this.hands = hands;
  }

  /** Resolves once there is room for the item. @throws what an earlier item failed with */
  async put(item: T): Promise<void> {
    while (!this.failure && this.items.length >= this.room) await this.change();
    this.check();
    this.items.push(item);
    this.next();
  }

  /** Resolves once nothing waits or is in hand. @throws what an item failed with */
  async drain(): Promise<void> {
    while (this.busy > 0 || this.items.length > 0) await this.change();
    this.check();
  }

  private check(): void {
    if (this.failure) throw this.failure.error;
  }

  private next(): void {
    while (this.busy < this.hands && this.items.length > 0) {
      this.busy++;
      void this.work(this.items.shift()!);
    }
  }

  private async work(item: T): Promise<void> {
    try {
      await this.handle(item);
    } catch (error) {
      this.failure ??= { error };
      this.items.length = 0;
    }
    this.busy--;
    this.next();
    for (const wake of this.waiting.splice(0)) wake();
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve));
  }
}
