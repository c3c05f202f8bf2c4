import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import type { ExecutionContext } from 'ava';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
};

/** The headers of cross-origin isolation. */
export const ISOLATED = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

/** A file that was asked for. */
interface Sent {
  readonly path: string;
  readonly bytes: number;
}

/** A folder on the web, until the test ends. */
export interface Served {
  readonly url: string;
  /** In the order of requests. */
  readonly sent: readonly Sent[];
}

/** Serves the files of a folder as a static host does, with these headers. `elsewhere` has addresses that lead to others. */
export async function serve(
  t: ExecutionContext,
  folder: string,
  headers: Readonly<Record<string, string>> = {},
  elsewhere: Readonly<Record<string, string>> = {},
): Promise<Served> {
  const sent: Sent[] = [];
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost');
    const location = elsewhere[pathname];
    if (location !== undefined) {
      response.writeHead(301, { location }).end();
      return;
    }
    const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
    const body = await readFile(join(folder, path)).catch(() => undefined);
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    response.writeHead(body ? 200 : 404, { 'Content-Type': type, ...headers });
    response.end(body);
    sent.push({ path, bytes: body?.length ?? 0 });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/`, sent };
}
