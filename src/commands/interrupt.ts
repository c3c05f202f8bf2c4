import { isHangupIgnored } from './hangup.js';

/**
 * A closed terminal stops nothing where SIGHUP was ignored when the process was started: Node has taken that back, and this takes
 * back what Node did. To be called as early as can be.
 */
export function keepHangupIgnored(): void {
  if (!isHangupIgnored()) return;
  process.on('SIGHUP', () => {});
  signals = ['SIGINT', 'SIGTERM'];
}

/**
 * Runs work that Ctrl-C, SIGTERM or a closed terminal asks to stop: the first one aborts the signal, so that
 * the work can save its state; a second one ends the process at once.
 */
export async function interruptible<T>(
  message: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    process.stderr.write(`\nhaze: ${message}\n`);
    controller.abort();
  };
  for (const name of signals) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    for (const name of signals) process.off(name, stop);
  }
}

let signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
