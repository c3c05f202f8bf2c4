/**
 * Renames that a glance of another program does not stop. On Windows a file that somebody has open cannot be replaced, nor a
 * folder be moved that holds one. Virus scanners and indexers open each new file for a moment, and so does `haze watch`.
 */
import { rename } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** What renames, for tests. */
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

/** What Windows says of a file that is open, and of one that may not be touched at all: time tells which. */
const BUSY: ReadonlySet<unknown> = new Set(['EACCES', 'EBUSY', 'EPERM']);

/** Milliseconds before each further try: three seconds in all. */
const WAITS = [10, 20, 50, 100, 200, 500, 1000, 1000];

/** Renames a file, over another that may be there, or a folder. @throws the system's error */
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

/** Options of `rm` for folders: where a file in one is busy, Node tries five times more, and waits 100 ms longer each time. */
export const PATIENTLY = { recursive: true, maxRetries: 5, retryDelay: 100 } as const;
