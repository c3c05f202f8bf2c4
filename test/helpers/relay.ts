/** A network that is slow, breaks, or carries nothing: a relay before a server, which holds bytes back and cuts connections. */
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { RedisServer } from './redis-server.js';

export class Relay {
  /** Redis's address by way of it. */
  readonly url: string;
  /** Bytes that went through it towards the server. */
  passed = 0;
  /** From the first request with this word on, no connection carries anything. */
  silentAt: string | undefined;
  private readonly sockets: Set<Socket>;
  private readonly silent = new WeakSet<Socket>();

  constructor(port: number, sockets: Set<Socket>) {
    this.url = `redis://127.0.0.1:${port}`;
    this.sockets = sockets;
  }

  /** Breaks all connections, in the middle of whatever they carry. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** From now on nothing goes through the connections that are there, which stay. */
  silence(): void {
    for (const socket of this.sockets) this.silent.add(socket);
  }

  /** Whether what came from a socket goes on. */
  carries(from: Socket, chunk: Buffer): boolean {
    if (this.silentAt !== undefined && chunk.includes(this.silentAt)) this.silence();
    return !this.silent.has(from);
  }
}

/** A relay before a Redis of this machine. @param rate bytes a second of each connection, in either direction */
export async function startRelay(
  t: ExecutionContext,
  redis: Pick<RedisServer, 'url'>,
  rate = Infinity,
): Promise<Relay> {
  const to = Number(new URL(redis.url).port);
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const remote = createConnection(to, '127.0.0.1');
    for (const socket of [client, remote]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        remote.destroy();
      });
    }
    void forward(client, remote, rate, (chunk) => {
      relay.passed += chunk.length;
      return relay.carries(client, chunk);
    });
    void forward(remote, client, rate, (chunk) => relay.carries(remote, chunk));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  const relay = new Relay(address.port, sockets);
  t.teardown(() => {
    relay.cut();
    server.close();
  });
  return relay;
}

async function forward(
  from: Socket,
  to: Socket,
  rate: number,
  goesOn: (chunk: Buffer) => boolean,
): Promise<void> {
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      if (!goesOn(chunk)) continue;
      await sleep((1000 * chunk.length) / rate);
      if (!to.write(chunk)) await once(to, 'drain');
    }
  } catch {
    // The other end is told by the sockets themselves.
  }
}
