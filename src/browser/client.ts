/**
 * Haze in a browser, for programs: a model's images, drawn by Web Workers. The page's thread does nothing but wait.
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

/** Bundlers look for this form, and bring the script along. */
declare const Worker: new (url: URL, options: { readonly type: 'module' }) => WebWorker;

const startEngine = (): WebWorker =>
  new Worker(new URL('./engine.js', import.meta.url), { type: 'module' });

/** Told how far something is. */
export type OnProgress = (done: number, total: number) => void;

export interface LoadSettings {
  /** Told of the weights' bytes that have come. Default nobody is. E.g. `onProgress: (done, total) => show(done / total)`. */
  readonly onProgress?: OnProgress;
}

/** What goes with a drawing beside its settings. */
export interface DrawOptions extends DrawSettings {
  /** Aborting it ends the drawing before its next step, with `Interrupted`. Default none. E.g. `signal: AbortSignal.timeout(60_000)`. */
  readonly signal?: AbortSignal;
  /** Told of reverse steps that are done, of all. Default nobody is. E.g. `onProgress: (done, total) => show(done / total)`. */
  readonly onProgress?: OnProgress;
}

/** A model that is open. Drawings wait for one another. */
export interface BrowserModel {
  /** What there is to choose. */
  readonly about: About;
  /** The images that `haze sample` draws with the same settings. @throws UsageError for settings that cannot be; Interrupted */
  draw(options?: DrawOptions): Promise<Drawn>;
  /** Ends what is in work and frees memory and workers; safe to call twice. */
  dispose(): void;
}

/**
 * Opens a model that `haze export web` wrote.
 * @param from address of the folder of its `model.json`, or what is in it
 * @throws UsageError for what is no model; RunError for what cannot be fetched, and where the browser lacks something
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

/** Without its number, for each kind. */
type Asked = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

/** A worker, and what was asked of it. */
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

/** Errors lose their class on the way from a worker. */
function errorOf(name: string, message: string): Error {
  if (name === 'UsageError') return new UsageError(message);
  if (name === 'Interrupted') return new Interrupted(message);
  if (name === 'ShapeError') return new ShapeError(message);
  return new RunError(message);
}
