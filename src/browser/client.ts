/**
 * Haze in a browser, for programs: a model's images, drawn by Web Workers. The page's thread only waits.
 * @module haze/browser
 * @example
 * import { load } from 'haze/browser';
 * const model = await load('/model/');
 * const { pixels } = await model.draw({ count: 4, seed: 7 });
 */
import type { WebWorker } from '../engine/host/browser-scope.js';
import { Interrupted, RunError, ShapeError, UsageError } from '../errors.js';
import type { About, Drawn, DrawSettings, ModelBytes, Reply, Request } from './protocol.js';

export type { About, Drawn, DrawSettings, ModelBytes };
export { Interrupted, RunError, UsageError };

/** Bundlers recognise this form, and include the script. */
declare const Worker: new (url: URL, options: { readonly type: 'module' }) => WebWorker;

const startEngine = (): WebWorker =>
  new Worker(new URL('./engine.js', import.meta.url), { type: 'module' });

/** Receives the progress of an operation. */
export type OnProgress = (done: number, total: number) => void;

export interface LoadSettings {
  /** Called with the bytes of the weights that have arrived. Default none. E.g. `onProgress: (done, total) => show(done / total)`. */
  readonly onProgress?: OnProgress;
}

/** Options of `draw`, besides its settings. */
export interface DrawOptions extends DrawSettings {
  /** Aborting it ends the drawing before its next step, with `Interrupted`. Default none. E.g. `signal: AbortSignal.timeout(60_000)`. */
  readonly signal?: AbortSignal;
  /** Called with the number of finished reverse steps. Default none. E.g. `onProgress: (done, total) => show(done / total)`. */
  readonly onProgress?: OnProgress;
}

/** An open model. Calls of `draw` run one after the other. */
export interface BrowserModel {
  /** The model's settings and classes. */
  readonly about: About;
  /** The images that `haze sample` draws with the same settings. @throws UsageError for invalid settings; Interrupted */
  draw(options?: DrawOptions): Promise<Drawn>;
  /** Ends calls in progress and frees memory and workers; safe to call twice. */
  dispose(): void;
}

/**
 * Opens a model that `haze export web` wrote.
 * @param from address of the folder with its `model.json`, or the contents of the folder
 * @throws UsageError if it is not a model; RunError if a file cannot be fetched, or the browser lacks a feature
 */
export async function load(
  from: string | URL | ModelBytes,
  { onProgress = () => {} }: LoadSettings = {},
): Promise<BrowserModel> {
  const connection = new Connection();
  try {
    const reply = await connection.ask(
      {
        kind: 'load',
        load: {
          kernels: {
            strict: new URL('./haze.strict.wasm', import.meta.url).href,
            relaxed: new URL('./haze.relaxed.wasm', import.meta.url).href,
          },
          from: typeof from === 'string' || from instanceof URL ? folder(from) : from,
        },
      },
      onProgress,
    );
    if (reply.kind !== 'loaded') throw new RunError(`expected a model, got ${reply.kind}`);
    return new Opened(connection, reply.about);
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** The absolute address of a folder, with the slash that addresses of files in it need. */
function folder(from: string | URL): string {
  const { document, location } = globalThis as {
    document?: { readonly baseURI: string };
    location?: { readonly href: string };
  };
  const url = new URL(from, document?.baseURI ?? location?.href);
  if (!url.pathname.endsWith('/')) url.pathname += '/';
  return url.href;
}

class Opened implements BrowserModel {
  readonly about: About;
  readonly #connection: Connection;

  constructor(connection: Connection, about: About) {
    this.#connection = connection;
    this.about = about;
  }

  async draw({ signal, onProgress = () => {}, ...settings }: DrawOptions = {}): Promise<Drawn> {
    const reply = await this.#connection.ask({ kind: 'draw', settings }, onProgress, signal);
    if (reply.kind !== 'drawn') throw new RunError(`expected images, got ${reply.kind}`);
    return reply.drawn;
  }

  dispose(): void {
    this.#connection.close();
  }
}

interface Waiting {
  readonly onProgress: OnProgress;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** A request without its number, for each kind. */
type Asked = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

/** A worker, and the requests sent to it. */
class Connection {
  readonly #worker: WebWorker;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  #ended: RunError | undefined;

  constructor() {
    this.#worker = startEngine();
    this.#worker.onmessage = ({ data }) => this.#hear(data as Reply);
    this.#worker.onerror = ({ message }) =>
      this.#end(`the worker was lost: ${message ?? 'its script could not be loaded'}`);
    this.#worker.onmessageerror = () => this.#end('the worker was lost: a message cannot be read');
  }

  ask(request: Asked, onProgress: OnProgress, signal?: AbortSignal): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#ended || signal?.aborted) {
        reject(this.#ended ?? new Interrupted('interrupted before it began'));
        return;
      }
      const id = this.#asked++;
      const cancel = () => this.#worker.postMessage({ id, kind: 'cancel' } satisfies Request);
      signal?.addEventListener('abort', cancel);
      const settled = () => signal?.removeEventListener('abort', cancel);
      this.#waiting.set(id, {
        onProgress,
        resolve: (reply) => {
          settled();
          resolve(reply);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      this.#worker.postMessage({ ...request, id });
    });
  }

  close(): void {
    this.#end('the model was disposed of');
  }

  #hear(reply: Reply): void {
    const waiting = this.#waiting.get(reply.id);
    if (reply.kind === 'progress') {
      waiting?.onProgress(reply.done, reply.total);
      return;
    }
    this.#waiting.delete(reply.id);
    if (reply.kind === 'failed') waiting?.reject(errorOf(reply.name, reply.message));
    else waiting?.resolve(reply);
  }

  #end(why: string): void {
    this.#ended ??= new RunError(why);
    this.#worker.terminate();
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
  }
}

/** Restores the class of an error, which messages from a worker lose. */
function errorOf(name: string, message: string): Error {
  if (name === 'UsageError') return new UsageError(message);
  if (name === 'Interrupted') return new Interrupted(message);
  if (name === 'ShapeError') return new ShapeError(message);
  return new RunError(message);
}
