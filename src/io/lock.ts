/**
 * Locks between processes. A lock consists of two: a socket that its holder listens on, which the processes of one machine see
 * even before the folder exists, and a locked file in the folder, which other containers see too. The system
 * releases both when the holder ends, however it ends, so no lock outlives its process, and none is ever stale.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type FileLock, fileLockHolder, tryLockFile } from './file-lock.js';
import { addressOf, askPid, type SocketLock, tryListen } from './socket-lock.js';

/** What is locked: a path, which need not exist, and a word for the use. */
export interface LockTarget {
  readonly path: string;
  readonly use: string;
}

/** Who sees a lock: everybody who sees the folder; or, if no file can be locked, the processes of this machine. */
export type Reach = 'everywhere' | 'machine';

export interface Lock {
  /**
   * Locks the folder's file, once the folder exists, and again if it was deleted. Resolves to undefined if another
   * holds it.
   */
  hold(): Promise<Reach | undefined>;
  /** Safe to call twice. */
  release(): void;
}

/** Receives `process 1234`, and returns the error to throw. */
type Refuse = (holder: string) => Error;

/** Milliseconds between attempts for a lock that another holds. */
const AGAIN = 100;

/**
 * The lock, or undefined while another process, or another call in this one, holds it. If the system does not allow
 * listening, as in some sandboxes, the file alone is the lock; without that either, the lock always succeeds: work
 * continues unguarded.
 */
export async function tryLock(target: LockTarget): Promise<Lock | undefined> {
  const socket = await tryListen(await addressOf(target.path, target.use));
  if (socket === 'held') return undefined;
  const lock = lockOf(target, socket);
  if ((await lock.hold()) !== undefined) return lock;
  lock.release();
  return undefined;
}

/** Runs `body` under the lock; `onWait` is called once if another holds it first. */
export async function withLock<T>(
  target: LockTarget,
  onWait: () => void,
  body: () => Promise<T>,
): Promise<T> {
  let lock = await tryLock(target);
  if (!lock) onWait();
  for (; !lock; lock = await tryLock(target)) await sleep(AGAIN);
  return releasing(lock, body);
}

/**
 * Runs `body` under the lock, or throws `refuse` of its holder: `process 1234`, or `another process` if
 * that is unknown. `body` calls `hold` once it has made the folder, and learns how far the lock reaches; `hold` throws
 * the same error.
 */
export async function exclusively<T>(
  target: LockTarget,
  refuse: Refuse,
  body: (hold: () => Promise<Reach>) => Promise<T>,
): Promise<T> {
  const lock = await tryLock(target);
  if (lock) return releasing(lock, () => body(() => holding(lock, target, refuse)));
  const pid = await askPid(await addressOf(target.path, target.use));
  throw refuse(pid === undefined ? await holderOfFile(target) : `process ${pid}`);
}

/** Calls a lock's `hold`. @throws `refuse` of the holder */
export async function holding(lock: Lock, target: LockTarget, refuse: Refuse): Promise<Reach> {
  const reach = await lock.hold();
  if (reach === undefined) throw refuse(await holderOfFile(target));
  return reach;
}

/** A warning if other containers do not see the lock on a folder; else null. */
export const unseen = (folder: string, reach: Reach): string | null =>
  reach === 'everywhere' || process.platform !== 'linux'
    ? null
    : `no file in ${folder} can be locked (by the program flock): make sure that no other container or machine writes there`;

const holderOfFile = async (target: LockTarget): Promise<string> =>
  (await fileLockHolder(lockFile(target))) ?? 'another process';

async function releasing<T>(lock: Lock, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } finally {
    lock.release();
  }
}

function lockOf(target: LockTarget, socket: SocketLock | undefined): Lock {
  let file: FileLock | undefined;
  return {
    hold: async () => {
      if (file?.stands()) return 'everywhere';
      file?.release();
      file = undefined;
      const result = (await isThere(target.path)) ? await tryLockFile(lockFile(target)) : 'none';
      if (result === 'held') return undefined;
      if (result === 'none') return 'machine';
      file = result;
      return 'everywhere';
    },
    release: () => {
      file?.release();
      socket?.close();
    },
  };
}

/** `.haze-shard-1-of-4.lock`: exists in the folder only while it is locked, or after its holder was killed. */
const lockFile = ({ path, use }: LockTarget): string =>
  join(path, `.haze-${use.replaceAll(/[^\w]+/g, '-')}.lock`);

const isThere = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
