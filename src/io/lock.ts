/**
 * Locks between the processes of one machine. A lock is a socket that its holder listens on: the system frees it when
 * the holder ends, however it ends, so that no lock outlives a process and none has to be guessed stale.
 */
import { createHash } from 'node:crypto';
import { realpath, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemCode } from './atomic.js';

/** What a lock is taken on: a path, which need not exist, and a word for what is done there. */
export interface LockTarget {
  readonly path: string;
  readonly use: string;
}

export interface Lock {
  /** Safe to call twice. */
  release(): void;
}

/** Milliseconds between two tries for a lock that another has. */
const AGAIN = 100;

/** Milliseconds for a holder to say who it is; it may be computing. */
const PATIENCE = 5000;

/**
 * The lock, or undefined while another process, or another call in this one, holds it. Where the system lets nobody
 * listen at all, as in some sandboxes, everybody has the lock: work there goes unguarded, and does not stop.
 */
export async function tryLock(target: LockTarget): Promise<Lock | undefined> {
  const address = await addressOf(target);
  try {
    const server =
      (await listen(address)) ?? ((await clearLeft(address)) && (await listen(address)));
    if (!server) return undefined;
    server.unref(); // A lock alone is no reason for a process to go on.
    return { release: () => void server.close() };
  } catch {
    return { release: () => undefined };
  }
}

/** Runs `body` under the lock; `onWait` is called once if another has it first. */
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
 * Runs `body` under the lock, or throws what `refuse` makes of its holder: `process 1234`, or `another process` where
 * that does not answer.
 */
export async function exclusively<T>(
  target: LockTarget,
  refuse: (holder: string) => Error,
  body: () => Promise<T>,
): Promise<T> {
  const lock = await tryLock(target);
  if (lock) return releasing(lock, body);
  const { pid } = await ask(await addressOf(target));
  throw refuse(pid === undefined ? 'another process' : `process ${pid}`);
}

async function releasing<T>(lock: Lock, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } finally {
    lock.release();
  }
}

/** Two ways to write one path are one lock, by links or from another folder. */
async function addressOf({ path, use }: LockTarget): Promise<string> {
  const target = `${await canonical(resolve(path))}\0${use}`;
  const name = `haze-${createHash('sha256').update(target).digest('hex').slice(0, 32)}`;
  if (process.platform === 'linux') return `\0${name}`;
  if (process.platform === 'win32') return `\\\\.\\pipe\\${name}`;
  return join(tmpdir(), name);
}

async function canonical(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) return path;
    return join(await canonical(dirname(path)), basename(path));
  }
}

/** The listening server, or undefined when another listens there. */
function listen(address: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.end(String(process.pid));
    });
    server.once('error', (error) =>
      systemCode(error) === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen({ path: address, exclusive: true }, () => resolve(server));
  });
}

/** Where sockets are files they outlive their holder. Removes such a one. */
async function clearLeft(address: string): Promise<boolean> {
  if (process.platform === 'linux' || process.platform === 'win32') return false;
  const { refused } = await ask(address);
  if (refused) await rm(address, { force: true });
  return refused;
}

/** Asks who listens; `refused` when nobody does. */
function ask(address: string): Promise<{ pid?: string; refused: boolean }> {
  return new Promise((resolve) => {
    const socket = net.connect(address).setEncoding('utf8').setTimeout(PATIENCE);
    socket.once('data', (pid) => resolve({ pid: String(pid), refused: false }));
    socket.once('error', (error) => resolve({ refused: systemCode(error) === 'ECONNREFUSED' }));
    socket.once('timeout', () => socket.destroy());
    socket.once('close', () => resolve({ refused: false }));
  });
}
