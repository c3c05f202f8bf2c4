import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { Interrupted, RunError, UsageError } from '../../src/errors.js';
import { parseAddress } from '../../src/queue/address.js';
import { checkRoom } from '../../src/queue/capacity.js';
import { connect, explained } from '../../src/queue/connect.js';
import { openQueue } from '../../src/queue/queues.js';
import { haze } from '../helpers/cli.js';
import { temporaryFolder } from '../helpers/folder.js';
import { needing } from '../helpers/needing.js';
import {
  clientOf,
  connectionTo,
  freePort,
  redisTest,
  startRedis,
  until,
  withoutRedis,
} from '../helpers/redis.js';
import { startRelay } from '../helpers/relay.js';

const refused = (url: string) => connect('--queue', parseAddress('--queue', url));

redisTest('a wrong or missing password is refused in one line that does not show it', async (t) => {
  const server = await startRedis(t, [], 'sesame');
  const shown = server.url.replace(':sesame@', '');
  const wrong = await t.throwsAsync(refused(server.url.replace('sesame', 'simsala')), {
    instanceOf: UsageError,
  });
  t.is(wrong?.message, `--queue: ${shown}: wrong user or password (WRONGPASS)`);
  const none = await t.throwsAsync(refused(shown), { instanceOf: UsageError });
  t.is(none?.message, `--queue: ${shown}: needs a password, and none is given (NOAUTH)`);
  const { address } = await connectionTo(t, server);
  t.is(address.shown, shown);
});

redisTest('a Redis that would evict jobs when memory is short is refused', async (t) => {
  const server = await startRedis(t, ['--maxmemory-policy', 'allkeys-lru']);
  await t.throwsAsync(refused(server.url), {
    instanceOf: UsageError,
    message:
      /expected maxmemory-policy noeviction, since other policies lose jobs, got allkeys-lru;/,
  });
  await clientOf(t, server).config('SET', 'maxmemory-policy', 'noeviction');
  t.like(await (await connectionTo(t, server)).info(), { most: 0 });
});

redisTest(
  'a database that Redis does not have is refused, and not taken for the first',
  async (t) => {
    const server = await startRedis(t);
    await t.throwsAsync(refused(`${server.url}/99`), {
      instanceOf: UsageError,
      message: /: expected a database of this Redis, got 99$/,
    });
    t.is((await connectionTo(t, { ...server, url: `${server.url}/3` })).address.database, 3);
  },
);

redisTest('a Redis with too few connections left for a worker is refused', async (t) => {
  const server = await startRedis(t, ['--maxclients', '4']);
  await t.throwsAsync(refused(server.url), {
    instanceOf: UsageError,
    message: /: expected room for 5 more connections, got \d left of its maxclients$/,
  });
});

redisTest('a cluster is refused', async (t) => {
  const server = await startRedis(t, ['--cluster-enabled', 'yes']);
  await t.throwsAsync(refused(server.url), {
    instanceOf: UsageError,
    message: /: expected a single server or the master of its sentinels, got a cluster$/,
  });
});

redisTest('a user without the permissions of a worker is refused with the reason', async (t) => {
  const server = await startRedis(t);
  const admin = clientOf(t, server);
  await admin.acl('SETUSER', 'blind', 'on', '>sesame', '~*', '+ping');
  await admin.acl('SETUSER', 'reader', 'on', '>sesame', '~*', '+ping', '+info', '+get');
  const as = (user: string) => server.url.replace('redis://', `redis://${user}:sesame@`);
  await t.throwsAsync(refused(as('blind')), {
    instanceOf: UsageError,
    message: /^--queue: redis:\/\/127\.0\.0\.1:\d+: NOPERM .*info/i,
  });
  const connection = await connectionTo(t, { url: as('reader') });
  const error = await t.throwsAsync(connection.redis.set('haze:x', '1'));
  const said = await explained(connection, error);
  t.true(said instanceof RunError);
  t.regex((said as RunError).message, /^redis:\/\/127\.0\.0\.1:\d+: NOPERM .*set/i);
});

redisTest('a Redis without room for weights and images is refused before any work', async (t) => {
  const server = await startRedis(t, ['--maxmemory', '16mb']);
  const connection = await connectionTo(t, server);
  const info = await connection.info();
  t.is(info.most, 16 << 20);
  const check = (held: number, there = 0) =>
    checkRoom(connection, info, { held, there, what: 'weights' });
  t.notThrows(() => check(1 << 20));
  // A tenth more, and what is in transit.
  t.throws(() => check(10 << 20), {
    instanceOf: UsageError,
    message:
      /: expected room for 21\.00 MiB \(weights\), got a Redis using .* of its maxmemory of 16\.00 MiB$/,
  });
  t.notThrows(() => check(10 << 20, 8 << 20), 'what is there needs no more room');
});

redisTest(
  'commands under way fail once Redis does not let the connection in again, and when it is closed',
  async (t) => {
    const server = await startRedis(t);
    const admin = clientOf(t, server);
    const [refused, closed] = [await connectionTo(t, server), await connectionTo(t, server)];
    const queue = await openQueue(refused, 'b', 'train');
    t.is(await queue.getJobState('none'), 'unknown');
    const under = [refused, closed].map(({ redis }) => t.throwsAsync(redis.blpop('nothing', 0)));
    await until(async () => /blocked_clients:2\r/.test(await admin.info('clients')));
    closed.close();
    t.regex((await under[1])!.message, /Connection is closed/);
    await admin.config('SET', 'requirepass', 'sesame');
    await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    const error = await under[0];
    t.is(
      ((await explained(refused, error)) as Error).message,
      `${refused.address.shown}: needs a password, and none is given (NOAUTH)`,
    );
    await t.throwsAsync(queue.getJobState('none'));
  },
);

redisTest('loss and return of Redis are reported once each', async (t) => {
  const server = await startRedis(t);
  const notes: string[] = [];
  const { redis } = await connectionTo(t, server, (text) => notes.push(text));
  await server.stop();
  const waiting = redis.ping();
  await server.start();
  t.is(await waiting, 'PONG');
  t.deepEqual(notes, [`${server.url} is unreachable; waiting for it`, `${server.url} is back`]);
});

test('who accepts connections and does not answer, or answers otherwise, is no Redis', async (t) => {
  const replies = {
    '': 'cannot be reached: it accepts connections, but does not answer',
    'HTTP/1.1 400 Bad Request\r\n\r\n':
      'what listens there is no Redis, or expects TLS (rediss://)',
    '-DENIED Redis is running in protected mode because protected mode is enabled\r\n':
      'this Redis runs in protected mode, without a password, and serves its own machine alone; start it with a password (requirepass)',
    '-ERR max number of clients reached\r\n':
      'this Redis has as many clients as its maxclients allows',
  };
  for (const [reply, reason] of Object.entries(replies)) {
    const server = createServer((socket) => {
      socket.on('error', () => {}).write(reply);
      if (reply.startsWith('-')) socket.end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const patience = reply === '' ? 500 : 10_000;
    await t.throwsAsync(connect('--queue', parseAddress('--queue', url), { patience }), {
      instanceOf: RunError,
      message: `--queue: ${url}: ${reason}`,
    });
    server.close();
  }
});

redisTest('a Redis without TLS that is asked for TLS is told apart', async (t) => {
  const server = await startRedis(t);
  const url = server.url.replace('redis:', 'rediss:');
  const error = await t.throwsAsync(
    connect('--queue', parseAddress('--queue', url), { patience: 500 }),
    { instanceOf: RunError },
  );
  const reason =
    'cannot be reached: it accepts connections, but does not answer; a Redis without TLS is redis://';
  t.is(error!.message, `--queue: ${url}: ${reason}`);
});

test('what a Redis answers that lacks a command is said', async (t) => {
  const server = createServer((socket) => {
    socket.on('data', (data) => {
      for (const _ of `${data}`.matchAll(/^\*\d/gm))
        socket.write("-ERR unknown command 'info'\r\n");
    });
  });
  t.teardown(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await t.throwsAsync(refused(url), {
    instanceOf: RunError,
    message: `--queue: ${url}: ERR unknown command 'info'`,
  });
});

test('waiting for the first answer can be interrupted', async (t) => {
  const server = createServer().listen(0, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  const url = `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const signal = AbortSignal.timeout(200);
  await t.throwsAsync(connect('--queue', parseAddress('--queue', url), { signal }), {
    instanceOf: Interrupted,
  });
});

redisTest('a Redis that freezes is reported, and that it answers again', async (t) => {
  const server = await startRedis(t);
  const notes: string[] = [];
  await connectionTo(t, server, (text) => notes.push(text));
  server.kill('SIGSTOP');
  await until(() => notes.length > 0);
  server.kill('SIGCONT');
  await until(() => notes.length > 1);
  t.deepEqual(notes, [
    `${server.url} has not answered for 15 s; waiting for it`,
    `${server.url} answers again`,
  ]);
});

redisTest('a connection that was forgotten on the way is given up for a new one', async (t) => {
  const server = await startRedis(t);
  const relay = await startRelay(t, server);
  const { url } = relay;
  const notes: string[] = [];
  const onNote = (text: string) => notes.push(text);
  const { redis, close } = await connect('--queue', parseAddress('--queue', url), {
    ...{ onNote, giveUp: 500 },
  });
  t.teardown(close);
  relay.silence();
  t.is(await redis.set('haze:x', '1'), 'OK');
  t.deepEqual(notes, [`${url} is unreachable; waiting for it`, `${url} is back`]);
});

test('the message says if nothing listens or the host does not exist', async (t) => {
  const port = await freePort();
  await t.throwsAsync(refused(`redis://127.0.0.1:${port}`), {
    instanceOf: RunError,
    message: `--queue: redis://127.0.0.1:${port}: cannot be reached: nothing listens there (ECONNREFUSED)`,
  });
  await t.throwsAsync(refused('redis://host.invalid'), {
    instanceOf: RunError,
    message: /^--queue: redis:\/\/host\.invalid: cannot be reached: .*(ENOTFOUND|EAI_AGAIN)/,
  });
});

/** Makes a key and a certificate of localhost that nobody has signed. */
function certify(folder: string): void {
  const files = ['-keyout', join(folder, 'key.pem'), '-out', join(folder, 'certificate.pem')];
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...files, ...names];
  execFileSync('openssl', args, { stdio: 'pipe' });
}

const withoutOpenssl = spawnSync('openssl', ['version']).error ? 'there is no openssl' : undefined;
const tlsTest = needing(withoutRedis ?? withoutOpenssl, test.serial);

tlsTest('rediss:// is TLS, and accepts only a certificate that Node trusts', async (t) => {
  const folder = await temporaryFolder(t);
  certify(folder);
  const [key, certificate] = ['key.pem', 'certificate.pem'].map((name) => join(folder, name));
  const port = await freePort();
  const files = ['--tls-key-file', key!, '--tls-cert-file', certificate!];
  const settings = ['--tls-port', `${port}`, ...files, '--tls-ca-cert-file', certificate!];
  const server = await startRedis(t, [...settings, '--tls-auth-clients', 'no'], 'sesame');
  await clientOf(t, server).zadd('haze:builds', Date.now() / 1000, 'some-build');
  const call = ['queue', '--queue', `rediss://:sesame@localhost:${port}`];
  const stranger = await haze(folder, call);
  t.is(stranger.code, 1);
  t.regex(
    stranger.stderr,
    /^haze: --queue: rediss:\/\/localhost:\d+: cannot be reached: self-signed/,
  );
  const known = await haze(folder, call, { NODE_EXTRA_CA_CERTS: certificate! });
  t.is(known.code, 0, known.stderr);
  t.regex(known.stdout, /^rediss:\/\/localhost:\d+: Redis /);
  t.regex(
    known.stdout,
    /^some-build +generate +0 +0 +0 +0$/m,
    'the queue itself is read over TLS, too',
  );
});
