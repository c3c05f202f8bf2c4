/**
 * Work done by a few consumers beside its producers, with back-pressure: once `room` items wait, `put` waits too.
 * The first failure ends it: waiting items are dropped, and every later call throws it.
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

  /** Resolves once there is room for the item. @throws the error of an earlier item */
  async put(item: T): Promise<void> {
    while (!this.failure && this.items.length >= this.room) await this.change();
    this.check();
    this.items.push(item);
    this.next();
  }

  /** Resolves once all items are done. @throws the error of an item */
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
