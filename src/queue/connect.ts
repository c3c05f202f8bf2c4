/** Connections to Redis, and its requirements. ioredis is loaded here, lazily. */
import { createConnection } from 'node:net';
import type { Redis } from 'ioredis';
import { Interrupted, RunError, UsageError } from '../errors.js';
import { bytes } from '../units.js';
import { unlessAborted } from '../unless-aborted.js';
import type { Address } from './address.js';
import { tellOfAbsence, tellOfSilence } from './silence.js';

/** Milliseconds to wait for a connection. */
const CONNECT = 10_000;

/** Milliseconds after which the system checks whether the other end of a silent connection is still there. */
const KEEP_ALIVE = 30_000;

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
    keepAlive: KEEP_ALIVE,
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
  /** Aborted, with a RunError as reason, once Redis refuses to let it in again, e.g. with another password; commands fail then. */
  readonly shut: AbortSignal;
  /** Closes it at once; waiting commands fail. */
  close(): void;
}

export interface ConnectOptions {
  /** Called when Redis becomes unreachable or silent, and when it is back. */
  readonly onNote?: ((text: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait for a connection and the first answers. Default 12,000. */
  readonly patience?: number;
  /** Milliseconds to wait for an answer before another connection is tried. Default 120,000. */
  readonly giveUp?: number;
}

/**
 * Connects, and checks the server.
 * @throws UsageError for a wrong password or a server that would lose jobs; RunError if it does not answer; Interrupted
 */
export async function connect(
  where: string,
  address: Address,
  { onNote = () => {}, signal, patience = CONNECT + 2000, giveUp }: ConnectOptions = {},
): Promise<Connection> {
  const { Client } = await import('./client.js');
  const options = redisOptions(address);
  let connected = false;
  const redis = new Client({
    ...options,
    lazyConnect: true,
    retryStrategy: (times) => (connected ? options.retryStrategy(times) : null),
  });
  const at = `${where}: ${address.shown}`;
  let failure: unknown;
  const shut = new AbortController();
  redis.on('error', (error) => {
    failure ??= error;
    if (!connected || !REFUSED.test(error.message)) return;
    connected = false;
    shut.abort(new RunError(refusal(address.shown, error, address).message, { cause: error }));
    redis.disconnect();
  });
  redis.on('end', () => redis.fail(new Error('Connection is closed.')));
  const info = async () => parseInfo(await redis.info());
  const greet = async () => {
    await redis.connect();
    await selectDatabase(redis, at, address);
    checkServer(at, await info());
  };
  try {
    const answered = answerWithin(patience, greet());
    await unlessAborted(signal, answered, () => new Interrupted('interrupted'));
    connected = true;
  } catch (error) {
    redis.disconnect();
    if (error instanceof UsageError || error instanceof Interrupted) throw error;
    throw refusal(at, (await farewell(error, address)) ?? failure ?? error, address);
  }
  tellOfAbsence(redis, address, onNote);
  const asking = tellOfSilence(redis, address, onNote, giveUp);
  const close = () => {
    clearInterval(asking);
    redis.disconnect();
  };
  return { redis, address, info, shut: shut.signal, close };
}

/** Redis's answers to whoever may not come in. */
const REFUSED = /^(?:NOAUTH|WRONGPASS)/;

/** @throws an error if the work takes longer */
async function answerWithin(milliseconds: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const silent = new Error('it accepts connections, but does not answer');
    timer = setTimeout(() => reject(silent), milliseconds);
  });
  work.catch(() => undefined);
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

/** Milliseconds for a server to say why it closes connections. */
const FAREWELL = 1000;

/** What a server says that closes each connection at once, which ioredis may not have read. */
async function farewell(
  error: unknown,
  { host, port, secure }: Address,
): Promise<Error | undefined> {
  if (secure || !/Connection is closed/.test((error as Error).message)) return undefined;
  const socket = createConnection({ host, port });
  const reason = new Promise<Error | undefined>((resolve) => {
    socket.once('data', (data) =>
      resolve(/^-/.test(`${data}`) ? new Error(`${data.subarray(1)}`) : undefined),
    );
    socket.once('error', () => resolve(undefined));
    socket.setTimeout(FAREWELL, () => resolve(undefined));
  });
  return reason.finally(() => socket.destroy());
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

/** Connections of a worker: its own, and BullMQ's two for each kind of jobs. */
const CONNECTIONS = 5;

interface FullInfo extends ServerInfo {
  /** Further connections that it accepts; undefined if it does not say. */
  readonly free: number | undefined;
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
    free: freeOf(fields.get('maxclients'), fields.get('connected_clients')),
    mode: fields.get('redis_mode'),
    policy: fields.get('maxmemory_policy'),
  };
}

const freeOf = (most: string | undefined, there = '1'): number | undefined =>
  most === undefined ? undefined : Number(most) - Number(there);

/** @throws UsageError for a server that is too old or has too few connections left, evicts keys when memory is short, or is part of a cluster */
function checkServer(at: string, { version, mode, policy, free }: FullInfo): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]))
    throw new UsageError(`${at}: expected Redis ${OLDEST.join('.')} or newer, got ${version}`);
  if (mode === 'cluster')
    throw new UsageError(
      `${at}: expected a single server or the master of its sentinels, got a cluster`,
    );
  if (free !== undefined && free < CONNECTIONS)
    throw new UsageError(
      `${at}: expected room for ${CONNECTIONS} more connections, got ${Math.max(0, free)} left of its maxclients`,
    );
  if (policy !== undefined && policy !== 'noeviction')
    throw new UsageError(
      `${at}: expected maxmemory-policy noeviction, since other policies lose jobs, got ${policy}; CONFIG SET maxmemory-policy noeviction`,
    );
}

/** Why there is no connection. */
function refusal(at: string, error: unknown, { secure }: Address): Error {
  const message = error instanceof Error ? error.message : String(error);
  if (/^WRONGPASS/.test(message))
    return new UsageError(`${at}: wrong user or password (WRONGPASS)`);
  if (/^NOAUTH/.test(message))
    return new UsageError(`${at}: needs a password, and none is given (NOAUTH)`);
  if (/^NOPERM/.test(message)) return new UsageError(`${at}: ${message}`);
  for (const [form, reason] of REFUSALS)
    if (form.test(message)) return new RunError(`${at}: ${reason}`);
  const answered = error instanceof Error && error.name === 'ReplyError';
  if (answered) return new RunError(`${at}: ${message}`, { cause: error });
  const why = reasonOf(error);
  // A Redis without TLS waits for the rest of what it takes for a command.
  const hint = secure && /does not answer/.test(why) ? '; a Redis without TLS is redis://' : '';
  return new RunError(`${at}: cannot be reached: ${why}${hint}`, { cause: error });
}

/** Answers in other words than Redis's own, which are long or say little. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [
    /^DENIED .*protected mode/,
    'this Redis runs in protected mode, without a password, and serves its own machine alone; start it with a password (requirepass)',
  ],
  [/max number of clients/, 'this Redis has as many clients as its maxclients allows'],
  [/^Protocol error/, 'what listens there is no Redis, or expects TLS (rediss://)'],
];

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

/** Whether Redis refused a write because it is out of memory. */
export const isOutOfMemory = (error: unknown): boolean =>
  error instanceof Error && /\bOOM\b/.test(error.message);

/** `using 9.80 MiB of its maxmemory of 10.00 MiB`. */
export const memoryInWords = ({ used, most }: ServerInfo): string =>
  most === 0 ? `using ${bytes(used)}` : `using ${bytes(used)} of its maxmemory of ${bytes(most)}`;

/** Whether Redis does not let this user do what its jobs need, in a script of BullMQ's or outside of one. */
export const isForbidden = (error: unknown): boolean =>
  error instanceof Error && /^NOPERM|can't run this command/.test(error.message);

/** Redis's answer to a refused command in Haze's words; other errors unchanged. */
export async function explained(
  { address, info, shut }: Connection,
  error: unknown,
): Promise<unknown> {
  if (shut.aborted) return shut.reason;
  if (!(error instanceof Error) || error.name !== 'ReplyError') return error;
  if (!isOutOfMemory(error)) {
    const hint = isForbidden(error) ? '; ACL LOG on that Redis shows which it was' : '';
    return new RunError(`${address.shown}: ${error.message}${hint}`, { cause: error });
  }
  const memory = await info().then(memoryInWords, () => 'full');
  return new RunError(
    `${address.shown} is full, ${memory}; free some memory or raise maxmemory, and run the same command again`,
    { cause: error },
  );
}
