/** Connections to Redis, and what it must be like to be of use. ioredis is loaded here, and only when it is needed. */
import type { Redis } from 'ioredis';
import { RunError, UsageError } from '../errors.js';
import { bytes } from '../units.js';
import type { Address } from './address.js';

/** Milliseconds to wait for a connection. */
const CONNECT = 10_000;

/** Milliseconds between two attempts to connect again. */
const AGAIN = { first: 100, most: 2000 };

/** Connects again for ever; commands wait meanwhile. */
export function redisOptions(address: Address) {
  const { host, port, database, username, password, secure } = address;
  return {
    ...{ host, port, db: database },
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(secure && { tls: {} }),
    maxRetriesPerRequest: null,
    connectTimeout: CONNECT,
    retryStrategy: (times: number) => Math.min(times * AGAIN.first, AGAIN.most),
  };
}

/** What of Redis is looked at. */
export interface ServerInfo {
  readonly version: string;
  /** Bytes in use, and the most there may be; 0 where there is no limit. */
  readonly used: number;
  readonly most: number;
}

/** An open connection. */
export interface Connection {
  readonly redis: Redis;
  readonly address: Address;
  info(): Promise<ServerInfo>;
  /** Ends it at once; commands that wait fail. */
  close(): void;
}

/**
 * Connects, and looks at whether the server will do.
 * @param onNote told when Redis goes away and when it is back
 * @throws UsageError for a password that is refused or a server that would lose jobs; RunError where none answers
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
    checkServer(at, await info());
    connected = true;
  } catch (error) {
    redis.disconnect();
    throw error instanceof UsageError ? error : refusal(at, failure ?? error);
  }
  tellOfAbsence(redis, address, onNote);
  return { redis, address, info, close: () => redis.disconnect() };
}

/** The oldest Redis that BullMQ is made for. */
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

/** @throws UsageError for a server that is too old, that drops keys when memory is short, or that is a cluster's */
function checkServer(at: string, { version, mode, policy }: FullInfo): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    throw new UsageError(`${at}: expected Redis ${OLDEST.join('.')} or newer, got ${version}`);
  if (mode === 'cluster')
    throw new UsageError(`${at}: expected one server or its sentinels' master, got a cluster's`);
  if (policy !== undefined && policy !== 'noeviction')
    throw new UsageError(
      `${at}: expected the maxmemory-policy noeviction, since others lose jobs, got ${policy}; CONFIG SET maxmemory-policy noeviction`,
    );
}

/** Why there is no connection. */
function refusal(at: string, error: unknown): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (/^WRONGPASS/.test(message))
    return new UsageError(`${at}: user or password are refused (WRONGPASS)`);
  if (/^NOAUTH/.test(message))
    return new UsageError(`${at}: wants a password, and none is given (NOAUTH)`);
  if (/^NOPERM/.test(message)) return new UsageError(`${at}: ${message}`);
  return new RunError(`${at}: cannot be reached: ${reasonOf(error)}`, { cause: error });
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name of the host cannot be looked up',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the network',
  ECONNRESET: 'it ended the connection',
};

function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const reason = typeof code === 'string' ? REASONS[code] : undefined;
  if (reason !== undefined) return `${reason} (${code})`;
  return typeof message === 'string' && message !== '' ? message : String(error);
}

/** Says once that Redis is away, and once that it is back. */
function tellOfAbsence(redis: Redis, { shown }: Address, onNote: (text: string) => void): void {
  let away = false;
  redis.on('close', () => {
    if (redis.status === 'end' || away) return;
    away = true;
    onNote(`${shown} is away; waiting for it`);
  });
  redis.on('ready', () => {
    if (away) onNote(`${shown} is back`);
    away = false;
  });
}

/** Whether Redis refused a write for want of memory. */
export const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && /\bOOM\b/.test(error.message);

/** `using 9.80 MiB of its maxmemory of 10.00 MiB`. */
export const memoryInWords = ({ used, most }: ServerInfo): string =>
  most === 0 ? `using ${bytes(used)}` : `using ${bytes(used)} of its maxmemory of ${bytes(most)}`;

/** @throws UsageError where so many bytes more do not fit into what Redis may use */
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
