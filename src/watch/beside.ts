import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RunError, UsageError } from '../errors.js';
import type { Told } from './child.js';
import type { Listening } from './server.js';

/** A page that another process serves. */
export interface PageBeside {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the page of a run, whose folder need not exist yet, in another process.
 * @throws UsageError if it cannot listen there; RunError if the process ends before it listens
 */
export async function serveBeside(place: string, { host, port }: Listening): Promise<PageBeside> {
  const child = fork(
    fileURLToPath(new URL('child.js', import.meta.url)),
    [place, host, `${port}`],
    {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [],
    },
  );
  const ended = once(child, 'exit').catch(() => undefined);
  const told = await Promise.race([
    once(child, 'message').then(([message]) => message as Told),
    ended.then((): Told => ({ failed: 'its process ended' })),
  ]);
  const close = async (): Promise<void> => {
    child.ref();
    if (child.connected) child.disconnect();
    await ended;
  };
  if ('url' in told) {
    // A page must not keep this process alive.
    child.unref();
    child.channel?.unref();
    return { url: told.url, close };
  }
  await close();
  if ('refused' in told) throw new UsageError(told.refused);
  throw new RunError(`--watch: the page cannot be served: ${told.failed}`);
}
