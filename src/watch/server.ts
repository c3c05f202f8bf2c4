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
  /** 0 takes any that is free. */
  readonly port: number;
}

export interface WatchServer {
  /** What a browser opens. */
  readonly url: string;
  /** Ends it and all connections to it. */
  close(): Promise<void>;
}

/** What a connection may take, in milliseconds. */
export interface Patience {
  /** For a request to come whole; a browser's comes at once. */
  readonly asking: number;
  /** Without a byte in either direction. */
  readonly silence: number;
}

const PATIENCE: Patience = { asking: 10_000, silence: 60_000 };

/** Connections at one time. Each may have a picture open, and systems often allow a process 1,024 files. */
const MOST_CONNECTIONS = 400;

/**
 * Serves the page of some runs.
 * @throws UsageError where it cannot listen there
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
  // What goes wrong with a connection is that connection's end.
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
