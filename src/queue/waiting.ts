/** Waiting for promises that may never settle, since Redis may be unreachable. */

/** Waits for work for a limited time, ignoring its outcome. */
export async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([
    work.then(
      () => undefined,
      () => undefined,
    ),
    late,
  ]);
  clearTimeout(timer);
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
