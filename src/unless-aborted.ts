/** Resolves like `work`, or rejects with `reason` if the signal is aborted first. Removes its listener. */
export function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
  reason: () => Error,
): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const stop = () => reject(reason());
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}
