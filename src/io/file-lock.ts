/**
 * Locks of the file system (flock), which work across containers and, if the file system supports it,
 * across machines. Node has no call for them. On macOS opening a file can lock it; elsewhere the program `flock` takes the lock on a
 * file that we opened and pass to it. The lock stays with the open file until we close it or exit, for whatever reason.
 */
import { type StdioOptions, spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { systemCode } from './atomic.js';
import { NONBLOCK, readSmallFile } from './plain-file.js';

/** A lock that we hold. */
export interface FileLock {
  /** Whether the file is still in place: deleting it deletes the lock. */
  stands(): boolean;
  /** Removes the file, and releases the lock. */
  release(): void;
}

/** `held` by another; `none` if it is not available: no such folder, no program, a file system without locks. */
export type FileLockResult = FileLock | 'held' | 'none';

/** Attempts until the locked file is the one in place: its last holder may have removed it meanwhile. */
const TRIES = 20;

/** Milliseconds for the program, which does not wait for anything. */
const PATIENCE = 10_000;

/** How files are opened, for tests. */
export interface Opening {
  readonly platform: NodeJS.Platform;
  open(path: string, flags: number): number;
}

const HERE: Opening = {
  platform: process.platform,
  open: (path, flags) => openSync(path, flags, 0o666),
};

/** Locks the file `path`, and creates it if needed, in an existing folder. */
export async function tryLockFile(path: string, system = HERE): Promise<FileLockResult> {
  if (system.platform === 'win32') return 'none';
  for (let i = 0; i < TRIES; i++) {
    const file = openLockFile(path, system);
    if (typeof file === 'string') return file;
    const state = system.platform === 'darwin' ? 'ours' : await flock(file);
    if (state === 'ours' && isAt(path, file)) return heldLock(path, file);
    closeSync(file);
    if (state !== 'ours') return state;
  }
  return 'held';
}

/** The holder of the lock file `path`, as it identified itself: `process 12 on host`; undefined if that cannot be read. */
export async function fileLockHolder(path: string): Promise<string | undefined> {
  const text = await readSmallFile(path, 512).catch(() => '');
  const [, pid, host] = OWNER.exec(text) ?? [];
  return pid && `process ${pid} on ${host}`;
}

const OWNER = /^([1-9]\d{0,9}) ([\w.-]{1,255})\n$/;

function heldLock(path: string, file: number): FileLock {
  writeOwner(file);
  let open = true;
  return {
    stands: () => open && isAt(path, file),
    release: () => {
      if (!open) return;
      open = false;
      try {
        // While we hold it: otherwise the next holder would lose it.
        if (isAt(path, file)) unlinkSync(path);
      } catch {
        // A lock file that remains is reused by the next holder.
      }
      closeSync(file);
    },
  };
}

/** Only for messages. */
function writeOwner(file: number): void {
  try {
    ftruncateSync(file);
    writeSync(file, `${process.pid} ${hostname()}\n`, 0);
  } catch {
    // A full disk, or another user's file that we may lock but not write.
  }
}

/** macOS's O_EXLOCK, which Node has no name for: who opens a file has its lock, as flock gives it. */
const LOCKING = 0x20;

/** Opens the file, and on macOS locks it. */
function openLockFile(path: string, { platform, open }: Opening): number | 'held' | 'none' {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) return 'none';
  const flags = NONBLOCK | constants.O_NOFOLLOW | (platform === 'darwin' ? LOCKING : 0);
  for (const access of [constants.O_RDWR | constants.O_CREAT, constants.O_RDONLY])
    try {
      return open(path, access | flags);
    } catch (error) {
      if (systemCode(error) === 'EAGAIN') return 'held';
      if (systemCode(error) !== 'EACCES') return 'none';
    }
  return 'none';
}

function isAt(path: string, file: number): boolean {
  const there = lstatSync(path, { throwIfNoEntry: false });
  const own = fstatSync(file);
  return there?.isFile() === true && there.ino === own.ino && there.dev === own.dev;
}

/** Takes the lock on an open file without waiting. */
function flock(file: number): Promise<'ours' | 'held' | 'none'> {
  return new Promise((resolve) => {
    const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', file];
    const child = spawn('flock', ['-n', '3'], { stdio, timeout: PATIENCE });
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said = `${said}${text}`.slice(0, 100);
    });
    child.once('error', () => resolve('none'));
    // It prints nothing if another holds the lock; otherwise it prints what is wrong.
    child.once('close', (code) =>
      resolve(code === 0 ? 'ours' : code === 1 && said === '' ? 'held' : 'none'),
    );
  });
}
