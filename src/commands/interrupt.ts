import { isHangupIgnored } from './hangup.js';

/**
 * Closing the terminal must not stop a process that was started with SIGHUP ignored. Node resets that, and this function
 * restores it. Call it as early as possible.
 */
export function keepHangupIgnored(): void {
  if (!isHangupIgnored()) return;
  process.on('SIGHUP', () => {});
  signals = signals.filter((name) => name !== 'SIGHUP');
}

/**
 * Runs work that Ctrl-C, SIGTERM or a closed terminal can stop: the first one aborts the signal, so that
 * the work can save its state; a second one ends the process at once.
 */
export async function interruptible<T>(
  message: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  // The next signal is left to the system, which ends the process at once: process.exit would wait for threads in
  // native code, some of which may never return.
  const leave = () => {
    for (const name of signals) process.off(name, stop);
  };
  const stop = () => {
    leave();
    process.stderr.write(`\nhaze: ${message}\n`);
    controller.abort();
  };
  for (const name of signals) process.on(name, stop);
  try {
    return await work(controller.signal);
  } finally {
    leave();
  }
}

/** What asks to stop: Ctrl-C, the system, a terminal that is closed, and on Windows Ctrl-Break, which other systems do not have. */
export const stopSignals = (platform: NodeJS.Platform): NodeJS.Signals[] => [
  ...(['SIGINT', 'SIGTERM', 'SIGHUP'] as const),
  ...(platform === 'win32' ? (['SIGBREAK'] as const) : []),
];

let signals: readonly NodeJS.Signals[] = stopSignals(process.platform);
