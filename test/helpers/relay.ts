/** A network that is slow, and that breaks: a relay before a server, which holds bytes back and cuts connections. */
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';

export class Relay {
  /** Where it listens, on this machine. */
  readonly port: number;
  /** Bytes that went through it towards the server. */
  passed = 0;
  private readonly sockets: Set<Socket>;

  constructor(port: number, sockets: Set<Socket>) {
    this.port = port;
    this.sockets = sockets;
  }

  /** Breaks all connections, in the middle of whatever they carry. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }
}

/** A relay before a port of this machine. @param rate bytes a second of each connection, in either direction */
export async function startRelay(t: ExecutionContext, to: number, rate: number): Promise<Relay> {
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
    void forward(client, remote, rate, (bytes) => {
      relay.passed += bytes;
    });
    void forward(remote, client, rate, () => {});
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
  onBytes: (bytes: number) => void,
): Promise<void> {
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      onBytes(chunk.length);
      await sleep((1000 * chunk.length) / rate);
      if (!to.write(chunk)) await once(to, 'drain');
    }
  } catch {
    // The other end is told by the sockets themselves.
  }
}
