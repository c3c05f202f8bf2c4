import { EngineError } from '../../errors.js';
import { type Task, type Times, Walker, type WalkerData } from '../walker.js';
import { canShare, scope, type WebWorker } from './browser-scope.js';
import type { Workers } from './host.js';

/** Bundlers look for exactly `new Worker(new URL(…, import.meta.url))`, and include the script. */
declare const Worker: new (url: URL, options: { readonly type: 'module' }) => WebWorker;

const startWorker = (): WebWorker =>
  new Worker(new URL('./web-worker.js', import.meta.url), { type: 'module' });

/** What a worker says: that it has started, and its answer to each task. */
export type Answer =
  | { readonly started: true }
  | { readonly times: Times | null }
  | { readonly error: string };

/** Milliseconds in which a worker should start: doubled for each that takes its place. */
const START = 10_000;

/**
 * @param patience milliseconds in which a worker should start, default 10,000
 * @throws EngineError for several workers if memory cannot be shared
 */
export function startWorkers(threads: number, data: WalkerData, patience = START): Workers {
  if (canShare()) return new WebWorkers(threads, data, patience);
  if (threads === 1) return new OwnWorker(data);
  throw new EngineError(
    `${threads} workers: the page is not cross-origin isolated, so memory cannot be shared`,
  );
}

interface Waiting {
  readonly task: Task;
  readonly resolve: (times: Times | null) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Web Workers, each with one task at a time. A lost one is not replaced: then all tasks fail, since others would wait for it. One that
 * does not start is, since Firefox forgets to start a worker now and then; it has no task before.
 */
class WebWorkers implements Workers {
  readonly #data: WalkerData;
  readonly #all: Set<WebWorker> = new Set();
  readonly #starting = new Map<WebWorker, ReturnType<typeof setTimeout>>();
  readonly #free: WebWorker[] = [];
  readonly #busy = new Map<WebWorker, Waiting>();
  #queue: Waiting[] = [];
  #lost: EngineError | undefined;
  #notice = () => {};

  constructor(threads: number, data: WalkerData, patience: number) {
    this.#data = data;
    for (let i = 0; i < threads; i++) this.#open(patience);
  }

  get count(): number {
    return this.#lost ? 0 : this.#all.size;
  }

  #open(patience: number): void {
    const worker = startWorker();
    worker.onmessage = ({ data: answer }) => this.#hear(worker, answer as Answer);
    worker.onerror = ({ message }) => this.#lose(message ?? 'its script could not be loaded');
    worker.onmessageerror = () => this.#lose('a message could not be read');
    worker.postMessage(this.#data);
    this.#all.add(worker);
    const late = () => {
      if (this.#lost) return;
      this.#end(worker);
      this.#open(2 * patience);
    };
    this.#starting.set(worker, setTimeout(late, patience));
  }

  #end(worker: WebWorker): void {
    clearTimeout(this.#starting.get(worker));
    this.#starting.delete(worker);
    this.#all.delete(worker);
    worker.terminate();
  }

  run(task: Task, signal: AbortSignal): Promise<Times | null> {
    return new Promise((resolve, reject) => {
      if (this.#lost || signal.aborted) {
        reject(this.#lost ?? signal.reason);
        return;
      }
      this.#queue.push({ task, resolve, reject });
      this.#start();
    });
  }

  onLost(notice: () => void): void {
    this.#notice = notice;
  }

  async destroy(): Promise<void> {
    for (const worker of this.#all) this.#end(worker);
    this.#fail(new EngineError('the workers were ended'));
  }

  #start(): void {
    while (this.#queue.length > 0 && this.#free.length > 0) {
      const [worker, waiting] = [this.#free.pop()!, this.#queue.shift()!];
      this.#busy.set(worker, waiting);
      worker.postMessage(waiting.task);
    }
  }

  #hear(worker: WebWorker, answer: Answer): void {
    // One whose place is taken.
    if (!this.#all.has(worker)) return;
    clearTimeout(this.#starting.get(worker));
    this.#starting.delete(worker);
    const waiting = this.#busy.get(worker);
    this.#busy.delete(worker);
    this.#free.push(worker);
    if ('error' in answer) waiting?.reject(new EngineError(answer.error));
    else if ('times' in answer) waiting?.resolve(answer.times);
    this.#start();
  }

  #lose(why: string): void {
    this.#fail(new EngineError(`a worker was lost: ${why}`));
    this.#notice();
  }

  #fail(error: EngineError): void {
    this.#lost ??= error;
    const waiting = [...this.#busy.values(), ...this.#queue];
    this.#busy.clear();
    this.#queue = [];
    for (const { reject } of waiting) reject(this.#lost);
  }
}

/** Walks programs on the calling worker itself. Before each it handles pending messages, such as one that cancels. */
class OwnWorker implements Workers {
  readonly count = 1;
  readonly #walker: Walker;

  constructor(data: WalkerData) {
    this.#walker = new Walker(data);
  }

  async run(task: Task, signal: AbortSignal): Promise<Times | null> {
    await nextTurn();
    signal.throwIfAborted();
    return this.#walker.walk(task);
  }

  onLost(): void {}

  async destroy(): Promise<void> {}
}

/** Resolves in a later task of the event loop; nested timers would wait for 4 ms. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new scope.MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
