import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RunError, UsageError } from '../errors.js';
import { systemCode } from '../io/atomic.js';
import { answer } from './answer.js';
import { inUrl } from './hosts.js';
import type { WatchedRuns } from './watched-runs.js';

/** Where a server listens. */
export interface Listening {
  /** An address or name of this machine. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

export interface WatchServer {
  /** The address to open in a browser. */
  readonly url: string;
  /** Ends the server and all its connections. */
  close(): Promise<void>;
}

/** Time limits of a connection, in milliseconds. */
export interface Patience {
  /** Until a request is complete. */
  readonly asking: number;
  /** Without a byte in either direction. */
  readonly silence: number;
}

const PATIENCE: Patience = { asking: 10_000, silence: 60_000 };

/** The largest number of concurrent connections: each may have a picture open, and many systems allow a process 1,024 files. */
const MOST_CONNECTIONS = 400;

/**
 * Serves the page of one or several runs.
 * @throws UsageError if it cannot listen there
 */
export async function serve(
  runs: WatchedRuns,
  { host, port }: Listening,
  { asking, silence }: Patience = PATIENCE,
): Promise<WatchServer> {
  const limits = {
    headersTimeout: asking,
    requestTimeout: asking,
    connectionsCheckingInterval: asking / 4,
  };
  const server = createServer(limits, (request, response) => {
    void answer(runs, host, request, response);
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(silence);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(refusal(error, host, port)));
    server.listen(port, host, resolve);
  });
  // A failed connection is closed; the server goes on.
  server.on('error', () => {});
  const { port: own } = server.address() as AddressInfo;
  return {
    url: `http://${inUrl(host)}:${own}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function refusal(error: Error, host: string, port: number): Error {
  switch (systemCode(error)) {
    case 'EADDRINUSE':
      return new UsageError(`--port: expected a port that is free on ${host}, got ${port}`);
    case 'EACCES':
      return new UsageError(`--port: expected a port that this user may take, got ${port}`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EINVAL':
      return new UsageError(`--host: expected an address of this machine, got ${host}`);
    default:
      return new RunError(`cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
  }
}
