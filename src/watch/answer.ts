/** Answers the requests to the server of `haze watch`. */
import type { FileHandle } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPlain } from '../io/plain-file.js';
import { asset } from './assets.js';
import { isOwnHost } from './hosts.js';
import { inside } from './inside.js';
import { pictureType } from './pictures.js';
import type { Known, WatchedRun } from './watched-run.js';
import type { WatchedRuns } from './watched-runs.js';

/** Headers of every answer: no foreign content, no embedding in another page, no guessed content types. */
const HEADERS = {
  'content-security-policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'cache-control': 'no-cache',
} as const;

/** An error answer: its status, and the reason. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Answers one request to a server that listens on `host`; never throws. */
export async function answer(
  runs: WatchedRuns,
  host: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  try {
    check(host, request);
    await route(runs, request, response);
  } catch (error) {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const [status, text] =
      error instanceof Refusal ? [error.status, error.message] : [404, 'not found'];
    if (status === 405) response.setHeader('allow', 'GET, HEAD');
    send(response, status, 'text/plain; charset=utf-8', Buffer.from(`${text}\n`));
  }
}

function check(host: string, { method, headers }: IncomingMessage): void {
  if (method !== 'GET' && method !== 'HEAD')
    throw new Refusal(405, 'this server shows runs: it answers GET and HEAD');
  if (!isOwnHost(host, headers.host))
    throw new Refusal(403, 'this server answers only to its own address (--host)');
}

async function route(
  runs: WatchedRuns,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const file = await asset(path);
  if (file) return send(response, 200, file.type, file.body);
  if (path === '/runs') return sendJson(response, await runs.list());
  const [, what, name, ...rest] = path.split('/').map(decoded);
  if (name === undefined || (what !== 'run' && what !== 'picture'))
    throw new Refusal(404, 'there is no such page');
  const run = await runs.find(name);
  if (!run) throw new Refusal(404, 'there is no such run');
  if (what === 'picture') return sendPicture(request, response, run, rest);
  if (rest.length > 0) throw new Refusal(404, 'there is no such page');
  return sendRun(response, run, query);
}

/** Decodes a part of an address. @throws Refusal if it is not valid */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal(400, 'the address cannot be read');
  }
}

async function sendRun(response: ServerResponse, run: WatchedRun, query: string): Promise<void> {
  const values = new URLSearchParams(query);
  const known = (name: string): Known => {
    const [generation = '', from = ''] = (values.get(name) ?? '').split('.', 2);
    return { generation, from: /^\d{1,9}$/.test(from) ? Number(from) : 0 };
  };
  sendJson(response, await run.message(known('steps'), known('heldOut')));
}

/** Sends `film.png` or `samples/step-500.png`: only names of these forms, and only files inside the run. */
async function sendPicture(
  request: IncomingMessage,
  response: ServerResponse,
  run: WatchedRun,
  names: readonly string[],
): Promise<void> {
  const inSamples = names.length === 2 && names[0] === 'samples';
  const name = inSamples ? names[1]! : names.length === 1 ? names[0]! : '';
  const type = pictureType(name);
  if (!type) throw new Refusal(404, 'there is no such picture');
  const path = join(run.folder, ...(inSamples ? ['samples'] : []), name);
  const file = await openPlain(await inside(run.root, path));
  try {
    await sendFile(request, response, file, type);
  } finally {
    await file.close();
  }
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  file: FileHandle,
  type: string,
): Promise<void> {
  const { size, mtimeMs, ino } = await file.stat();
  const tag = `"${ino.toString(36)}-${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`;
  response.setHeader('etag', tag);
  if (request.headers['if-none-match'] === tag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'content-type': type, 'content-length': size });
  if (request.method === 'HEAD' || size === 0) {
    response.end();
    return;
  }
  await pipeline(file.createReadStream({ end: size - 1, autoClose: false }), response);
}

const sendJson = (response: ServerResponse, value: unknown): void =>
  send(response, 200, 'application/json; charset=utf-8', Buffer.from(JSON.stringify(value)));

/** Node omits the body of an answer to HEAD. */
function send(response: ServerResponse, status: number, type: string, body: Buffer): void {
  response.writeHead(status, { 'content-type': type, 'content-length': body.length });
  response.end(body);
}
