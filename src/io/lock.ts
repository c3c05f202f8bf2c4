/**
 * A lock that one process of this machine holds at a time. The system keeps it and frees it when its holder ends, however
 * it ends: none is ever left behind, and there is nothing to judge as stale. Other machines do not see it.
 *
 * Linux has sockets whose names are in no folder, Windows named pipes, macOS and BSD files that open for one alone.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemCode } from './atomic.js';

export interface Lock {
  /** Frees the lock; safe to call twice. */
  release(): Promise<void>;
}

/** Takes the lock of a name, or resolves to undefined when it is held: by another process, or by this one. */
export function tryLock(name: string): Promise<Lock | undefined> {
  const key = `haze-${createHash('sha256').update(name).digest('hex').slice(0, 32)}`;
  switch (process.platform) {
    case 'linux':
    case 'android':
      return listen(`\0${key}`);
    case 'win32':
      return listen(`\\\\.\\pipe\\${key}`);
    default:
      return openAlone(join(tmpdir(), `${key}.lock`));
  }
}

/** A name that is listened at belongs to the listener. */
function listen(name: string): Promise<Lock | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once('error', (error) => {
      if (systemCode(error) === 'EADDRINUSE') resolve(undefined);
      else reject(error);
    });
    server.listen(name, () => {
      server.unref(); // A lock alone is no reason for a process to go on.
      resolve({ release: () => new Promise((done) => server.close(() => done())) });
    });
  });
}

/** O_EXLOCK of macOS and BSD, which Node passes on but does not name: flock(2) as a part of open(2). */
const O_EXLOCK = 0x20;

async function openAlone(path: string): Promise<Lock | undefined> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK;
  try {
    const file = await open(path, flags);
    return { release: () => file.close() };
  } catch (error) {
    if (systemCode(error) === 'EAGAIN') return undefined;
    throw error;
  }
}
