import type { ChildProcess } from 'node:child_process';
import type { ExecutionContext } from 'ava';

export const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null;

/** Kills a process, unless it has ended, and waits for its end: until then it may write files. */
export async function ended(child: ChildProcess): Promise<void> {
  // One that could not be started has no pid, and never ends.
  if (hasEnded(child) || child.pid === undefined) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exit;
}

/** A process that does not outlive the test. */
export function endWith(t: ExecutionContext, child: ChildProcess): void {
  t.teardown(() => ended(child));
}
