/**
 * Renames that survive a file being open elsewhere for a moment. On Windows an open file cannot be replaced, nor a
 * folder that contains one moved. Virus scanners, indexers and `haze watch` open new files briefly.
 */
import { rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** The system calls, for tests. */
export interface Renaming {
  readonly platform: NodeJS.Platform;
  rename(from: string, to: string): Promise<void>;
  wait(milliseconds: number): Promise<unknown>;
}

const HERE: Renaming = {
  platform: process.platform,
  rename: (from, to) => rename(from, to),
  wait: (milliseconds) => sleep(milliseconds),
};

/** Windows' errors for an open file, and for one without permission: only retrying tells them apart. */
const BUSY: ReadonlySet<unknown> = new Set(['EACCES', 'EBUSY', 'EPERM']);

/** Milliseconds before each retry: three seconds in all. */
const WAITS = [10, 20, 50, 100, 200, 500, 1000, 1000];

/** Renames a file, replacing an existing one, or a folder. @throws the system's error */
export async function moveOver(from: string, to: string, system = HERE): Promise<void> {
  const waits = system.platform === 'win32' ? WAITS : [];
  for (const wait of waits) {
    const error = await attempt(() => system.rename(from, to));
    if (error === undefined) return;
    if (!BUSY.has(error.code)) throw error;
    await system.wait(wait);
  }
  await system.rename(from, to);
}

async function attempt(action: () => Promise<void>): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    return error as NodeJS.ErrnoException;
  }
}

/** Options of `rm` for folders: if a file in one is busy, Node retries five times, 100 ms later each time. */
export const PATIENTLY = { recursive: true, maxRetries: 5, retryDelay: 100 } as const;
