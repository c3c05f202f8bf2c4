/** Connections to Redis, and its requirements. ioredis is loaded here, lazily. */
import type { Redis } from 'ioredis';
import { RunError, UsageError } from '../errors.js';
import { bytes } from '../units.js';
import type { Address } from './address.js';

/** Milliseconds to wait for a connection. */
const CONNECT = 10_000;

/** Milliseconds between two attempts to reconnect. */
const AGAIN = { first: 100, most: 2000 };

/** Reconnects until it is ended; commands wait meanwhile. */
export function redisOptions(address: Address, ended?: AbortSignal) {
  const { host, port, database, username, password, secure } = address;
  return {
    ...{ host, port, db: database },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(secure && { tls: {} }),
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT,
    retryStrategy: (times: number) =>
      ended?.aborted ? null : Math.min(times * AGAIN.first, AGAIN.most),
  };
}

/** The relevant facts about the server. */
export interface ServerInfo {
  readonly version: string;
  /** Bytes in use, and the limit; 0 if there is none. */
  readonly used: number;
  readonly most: number;
}

/** An open connection. */
export interface Connection {
  readonly redis: Redis;
  readonly address: Address;
  info(): Promise<ServerInfo>;
  /** Closes it at once; waiting commands fail. */
  close(): void;
}

/**
 * Connects, and checks the server.
 * @param onNote called when Redis becomes unreachable and when it is back
 * @throws UsageError for a wrong password or a server that would lose jobs; RunError if it does not answer
 */
export async function connect(
  where: string,
  address: Address,
  onNote: (text: string) => void = () => {},
): Promise<Connection> {
  const { Redis } = await import('ioredis');
  const options = redisOptions(address);
  let connected = false;
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    retryStrategy: (times) => (connected ? options.retryStrategy(times) : null),
  });
  const at = `${where}: ${address.shown}`;
  let failure: unknown;
  redis.on('error', (error) => {
    failure ??= error;
  });
  const info = async () => parseInfo(await redis.info());
  try {
    await redis.connect();
    await selectDatabase(redis, at, address);
    checkServer(at, await info());
    connected = true;
  } catch (error) {
    redis.disconnect();
    throw error instanceof UsageError ? error : refusal(at, failure ?? error);
  }
  tellOfAbsence(redis, address, onNote);
  return { redis, address, info, close: () => redis.disconnect() };
}

/** ioredis selects it too, but stays at database 0 if it is not there. @throws UsageError */
async function selectDatabase(redis: Redis, at: string, { database }: Address): Promise<void> {
  try {
    if (database !== 0) await redis.select(database);
  } catch (error) {
    throw new UsageError(`${at}: expected a database of this Redis, got ${database}`, {
      cause: error,
    });
  }
}

/** The oldest Redis that BullMQ supports. */
const OLDEST = [6, 2] as const;

interface FullInfo extends ServerInfo {
  readonly mode: string | undefined;
  readonly policy: string | undefined;
}

function parseInfo(text: string): FullInfo {
  const fields = new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const [, name, value] = /^([a-z_]+):(.*)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, value!] as const];
    }),
  );
  return {
    version: fields.get('redis_version') ?? '0',
    used: Number(fields.get('used_memory') ?? 0),
    most: Number(fields.get('maxmemory') ?? 0),
    mode: fields.get('redis_mode'),
    policy: fields.get('maxmemory_policy'),
  };
}

/** @throws UsageError for a server that is too old, evicts keys when memory is short, or is part of a cluster */
function checkServer(at: string, { version, mode, policy }: FullInfo): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    throw new UsageError(`${at}: expected Redis ${OLDEST.join('.')} or newer, got ${version}`);
  if (mode === 'cluster')
    throw new UsageError(
      `${at}: expected a single server or the master of its sentinels, got a cluster`,
    );
  if (policy !== undefined && policy !== 'noeviction')
    throw new UsageError(
      `${at}: expected maxmemory-policy noeviction, since other policies lose jobs, got ${policy}; CONFIG SET maxmemory-policy noeviction`,
    );
}

/** Why there is no connection. */
function refusal(at: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (/^WRONGPASS/.test(message))
    return new UsageError(`${at}: wrong user or password (WRONGPASS)`);
  if (/^NOAUTH/.test(message))
    return new UsageError(`${at}: needs a password, and none is given (NOAUTH)`);
  if (/^NOPERM/.test(message)) return new UsageError(`${at}: ${message}`);
  return new RunError(`${at}: cannot be reached: ${reasonOf(error)}`, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the host name cannot be resolved',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  ECONNRESET: 'it closed the connection',
};

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const reason = typeof code === 'string' ? REASONS[code] : undefined;
  if (reason !== undefined) return `${reason} (${code})`;
  return typeof message === 'string' && message !== '' ? message : String(error);
}

/** Reports once that Redis is unreachable, and once that it is back. */
function tellOfAbsence(redis: Redis, { shown }: Address, onNote: (text: string) => void): void {
  let away = false;
  redis.on('close', () => {
    if (redis.status === 'end' || away) return;
    away = true;
    onNote(`${shown} is unreachable; waiting for it`);
  });
  redis.on('ready', () => {
    if (away) onNote(`${shown} is back`);
    away = false;
  });
}

/** Whether Redis refused a write because it is out of memory. */
export const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && /\bOOM\b/.test(error.message);

/** `using 9.80 MiB of its maxmemory of 10.00 MiB`. */
export const memoryInWords = ({ used, most }: ServerInfo): string =>
  most === 0 ? `using ${bytes(used)}` : `using ${bytes(used)} of its maxmemory of ${bytes(most)}`;

/** Redis's answer to a refused command in Haze's words; other errors unchanged. */
export async function explained({ address, info }: Connection, error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return error;
  if (!isOutOfMemory(error))
    return new RunError(`${address.shown}: ${error.message}`, { cause: error });
  const memory = await info().then(memoryInWords, () => 'full');
  return new RunError(
    `${address.shown} is full, ${memory}; free some memory or raise maxmemory, and run the same command again`,
    { cause: error },
  );
}

/** @throws UsageError if this many more bytes do not fit into Redis's memory */
export function checkRoom(
  { address }: Pick<Connection, 'address'>,
  info: ServerInfo,
  needed: number,
  what: string,
): void {
  if (info.most === 0 || info.used + needed <= info.most) return;
  throw new UsageError(
    `--queue: ${address.shown}: expected room for ${bytes(needed)} (${what}), got a Redis ${memoryInWords(info)}`,
  );
}
