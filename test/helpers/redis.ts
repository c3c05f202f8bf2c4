import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { parseAddress } from '../../src/queue/address.js';
import { type Connection, connect } from '../../src/queue/connect.js';
import { temporaryFolder } from './folder.js';

/** Why tests that need a Redis do not run here; undefined where they do. */
export const withoutRedis: string | undefined =
  spawnSync('redis-server', ['--version']).status === 0
    ? undefined
    : 'there is no redis-server; apt-get install redis-server';

/** A test that needs a Redis; where there is none it is skipped, and its title says why. */
export function redisTest(
  title: string,
  body: (t: ExecutionContext) => void | Promise<void>,
): void {
  if (withoutRedis) test.skip(`${title} (not run: ${withoutRedis})`, body);
  else test.serial(title, body);
}

/** A server of the test's own, on a free port, with a folder of its own. */
export class RedisServer {
  readonly url: string;
  private readonly words: readonly string[];
  private readonly password: string | undefined;
  private readonly port: number;
  private process: ChildProcess | undefined;

  constructor(port: number, folder: string, settings: readonly string[], password?: string) {
    this.port = port;
    this.password = password;
    this.url = `redis://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`;
    const own = password === undefined ? [] : ['--requirepass', password];
    const bare = ['--bind', '127.0.0.1', '--save', '', '--dir', folder];
    this.words = ['--port', `${port}`, ...bare, ...own, ...settings];
  }

  /** Resolves once it answers. */
  async start(): Promise<void> {
    this.process = spawn('redis-server', this.words, { stdio: 'ignore' });
    const client = this.client();
    await client.ping().finally(() => client.disconnect());
  }

  /** Ends it as its machine's shutdown would: what is appended to its file stays. */
  async stop(): Promise<void> {
    const { process } = this;
    if (!process || process.exitCode !== null) return;
    process.kill('SIGTERM');
    await once(process, 'exit');
  }

  kill(): void {
    this.process?.kill('SIGKILL');
  }

  /** A client that is the test's to disconnect. */
  client(): Redis {
    const { port, password } = this;
    const client = new Redis({
      ...{ port, host: '127.0.0.1', maxRetriesPerRequest: null, retryStrategy: () => 50 },
      ...(password !== undefined && { password }),
    });
    client.on('error', () => {});
    return client;
  }
}

/** A running Redis, ended with the test. `settings` are those of its command line. */
export async function startRedis(
  t: ExecutionContext,
  settings: readonly string[] = [],
  password?: string,
): Promise<RedisServer> {
  const server = new RedisServer(await freePort(), await temporaryFolder(t), settings, password);
  t.teardown(() => server.kill());
  await server.start();
  return server;
}

/** A client of a running Redis. */
export function clientOf(t: ExecutionContext, server: RedisServer): Redis {
  const client = server.client();
  t.teardown(() => client.disconnect());
  return client;
}

/** A connection as commands have one. */
export async function connectionTo(
  t: ExecutionContext,
  { url }: Pick<RedisServer, 'url'>,
  onNote?: (text: string) => void,
): Promise<Connection> {
  const connection = await connect('--queue', parseAddress('--queue', url), onNote);
  t.teardown(() => connection.close());
  return connection;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}

/** Waits until something holds. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20);
}
