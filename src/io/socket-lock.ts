/** Locks that are sockets: the listener holds the lock. Seen by all processes of one machine that share its network. */
import { createHash, randomBytes } from 'node:crypto';
import { link, realpath, rename, rm } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { systemCode } from './atomic.js';

export interface SocketLock {
  /** Safe to call twice. */
  close(): void;
}

/** Milliseconds for a holder to identify itself; it may be computing. */
const PATIENCE = 5000;

/** Bytes of an abstract socket's name on Linux, including the leading zero (sun_path). */
const LONGEST = 108;

/** Bytes of the path of a socket among files: macOS takes 103, and while one is removed nine stand behind its name. */
const LONGEST_PATH = 94;

/** The system that sockets are on, for tests. */
export interface SocketSystem {
  readonly platform: NodeJS.Platform;
  /** The folder for temporary files. */
  readonly temporary: string;
}

const HERE: SocketSystem = { platform: process.platform, temporary: tmpdir() };

/** The address for a path and a use. Different spellings of a path, by links or from another folder, give the same address. */
export async function addressOf(
  path: string,
  use: string,
  { platform, temporary }: SocketSystem = HERE,
): Promise<string> {
  const target = `${folded(await canonical(resolve(path)), platform)}\0${use}`;
  const name = `haze-${createHash('sha256').update(target).digest('hex').slice(0, 32)}`;
  // The full length: Node 20 pads shorter names with zeros, and Node 22 and later look for them without.
  if (platform === 'linux') return `\0${name}`.padEnd(LONGEST, '-');
  if (platform === 'win32') return `\\\\.\\pipe\\${name}`;
  const place = join(temporary, name);
  return Buffer.byteLength(place) <= LONGEST_PATH ? place : join('/tmp', name);
}

/**
 * One spelling of a path. The file systems of Windows and macOS take a name in capitals, or with its accents composed or not, for
 * the same; of a folder that is not there yet only they could tell.
 */
const folded = (path: string, platform: NodeJS.Platform): string =>
  platform === 'win32' || platform === 'darwin' ? path.normalize('NFC').toLowerCase() : path;

/** Listens at an address; `held` if another does, and undefined if the system does not allow listening. */
export async function tryListen(address: string): Promise<SocketLock | 'held' | undefined> {
  try {
    const server =
      (await listen(address)) ?? ((await clearLeft(address)) && (await listen(address)));
    if (!server) return 'held';
    server.unref(); // A lock alone must not keep the process alive.
    return { close: () => void server.close() };
  } catch {
    return undefined;
  }
}

/** The process that listens, as it identifies itself; undefined if nobody does, or the answer is anything else. */
export const askPid = async (address: string): Promise<string | undefined> =>
  (await ask(address)).pid;

async function canonical(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) return path;
    return join(await canonical(dirname(path)), basename(path));
  }
}

/** The listening server, or undefined if another listens there. */
function listen(address: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer(answer);
    // Later ones too: a connection that cannot be accepted is no reason to stop.
    server.on('error', (error) =>
      systemCode(error) === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen({ path: address, exclusive: true }, () => resolve(server));
  });
}

/** Identifies this process and closes: the other side may be anybody, and may never close. */
function answer(socket: net.Socket): void {
  socket.unref();
  socket.on('error', () => undefined);
  socket.end(String(process.pid), () => socket.destroy());
}

/**
 * Where sockets are files they outlive their holder. Takes such a file away; false where it is another's after all. Others may do
 * the same at the same time, and one of them listen there already: so it is moved before it is asked again and removed.
 * @param asking asks who listens, for tests
 */
export async function clearLeft(address: string, asking = ask): Promise<boolean> {
  if (!isAbsolute(address) || address.startsWith('\\\\')) return false;
  if (!(await asking(address)).refused) return false;
  const aside = `${address}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(address, aside);
  } catch (error) {
    // Somebody else took it away: whoever listens first has the lock.
    if (systemCode(error) === 'ENOENT') return true;
    throw error;
  }
  const { refused } = await asking(aside);
  // Unlike a rename, a link takes no other's place.
  if (!refused) await link(aside, address).catch(() => undefined);
  await rm(aside, { force: true });
  return refused;
}

/** Asks the listener; `refused` if there is none. It may be anybody: only a process number, in time, is believed. */
function ask(address: string): Promise<{ pid?: string; refused: boolean }> {
  return new Promise((resolve) => {
    const socket = net.connect(address).setEncoding('latin1');
    let said = '';
    const end = (refused: boolean) => {
      clearTimeout(deadline);
      socket.destroy();
      resolve(PID.test(said) ? { pid: said, refused } : { refused });
    };
    const hangUp = () => {
      said = '';
      end(false);
    };
    const deadline = setTimeout(hangUp, PATIENCE);
    socket.on('data', (text) => {
      said += String(text);
      if (!PID.test(said)) hangUp();
    });
    socket.once('end', () => end(false));
    socket.once('close', () => end(false));
    socket.on('error', (error) => end(systemCode(error) === 'ECONNREFUSED'));
  });
}

const PID = /^[1-9]\d{0,9}$/;
