/** Waiting for promises that may never settle, since Redis may be unreachable. */

/** Waits for work for a limited time. Resolves to its result; undefined if it failed or takes longer. */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  const result = await Promise.race([work.catch(() => undefined), late]);
  clearTimeout(timer);
  return result;
}

/** Milliseconds of a wait after another was in vain: an answer that is there is still taken. */
const BRIEF = 100;

/** Waits of at most so many milliseconds each, for one Redis: once it has not answered in time, the further ones are brief. */
export class Grace {
  private readonly milliseconds: number;
  private spent = false;

  constructor(milliseconds: number) {
    this.milliseconds = milliseconds;
  }

  /** Resolves to the work's result; undefined if it failed or takes longer. */
  async wait<T>(work: Promise<T>): Promise<T | undefined> {
    let settled = false;
    const settles = work.finally(() => {
      settled = true;
    });
    const result = await within(this.spent ? BRIEF : this.milliseconds, settles);
    this.spent ||= !settled;
    return result;
  }
}

/** Does something at once and then every so many seconds; failures are retried then. */
export function every(seconds: number, work: () => Promise<void>): NodeJS.Timeout {
  const once = () => void work().catch(() => undefined);
  once();
  return setInterval(once, 1000 * seconds);
}

export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Waits for work until the signal is aborted. Resolves to whether it has finished. @throws what the work throws before */
export const finishes = (work: Promise<void>, signal: AbortSignal): Promise<boolean> =>
  Promise.race([work.then(() => true), aborted(signal).then(() => false)]);
