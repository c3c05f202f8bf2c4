import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Redis } from 'ioredis';
import { ended } from './child.js';

/** A server of one's own, on a free port, with a folder of its own. */
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

  /** Kills it, and waits until it writes nothing more. */
  async end(): Promise<void> {
    if (this.process) await ended(this.process);
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.process?.kill(signal);
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

/** A port of this machine that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return address.port;
}
