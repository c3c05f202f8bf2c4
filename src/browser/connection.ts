/** The connection of a page with its worker: requests by number, and their replies. */
import type { WebWorker } from '../engine/host/browser-scope.js';
import { Interrupted, RunError, ShapeError, UsageError } from '../errors.js';
import type { Reply, Request } from './protocol.js';

/** Bundlers recognise this form, and include the script. */
declare const Worker: new (url: URL, options: { readonly type: 'module' }) => WebWorker;

const startEngine = (): WebWorker =>
  new Worker(new URL('./engine.js', import.meta.url), { type: 'module' });

/** Receives the progress of an operation. */
export type OnProgress = (done: number, total: number) => void;

interface Waiting {
  readonly onProgress: OnProgress;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** A request without its number, for each kind. */
type Asked = Request extends infer R ? (R extends Request ? Omit<R, 'id'> : never) : never;

/** A worker, and the requests sent to it. */
export class Connection {
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
