import { spawnSync } from 'node:child_process';
import test, { type ExecutionContext } from 'ava';
import type { Redis } from 'ioredis';
import { parseAddress } from '../../src/queue/address.js';
import { type Connection, connect } from '../../src/queue/connect.js';
import { temporaryFolder } from './folder.js';
import { needing } from './needing.js';
import { freePort, RedisServer } from './redis-server.js';

export { freePort, RedisServer } from './redis-server.js';
export { until } from './until.js';

/** Why tests that need a Redis do not run here; undefined where they do. */
export const withoutRedis: string | undefined =
  spawnSync('redis-server', ['--version']).status === 0
    ? undefined
    : 'there is no redis-server; apt-get install redis-server';

/** A test that needs a Redis. */
export const redisTest = needing(withoutRedis, test.serial);

/** A running Redis, ended with the test. `settings` are those of its command line. */
export async function startRedis(
  t: ExecutionContext,
  settings: readonly string[] = [],
  password?: string,
): Promise<RedisServer> {
  const server = new RedisServer(await freePort(), await temporaryFolder(t), settings, password);
  t.teardown(() => server.end());
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
  const connection = await connect('--queue', parseAddress('--queue', url), { onNote });
  t.teardown(() => connection.close());
  return connection;
}
