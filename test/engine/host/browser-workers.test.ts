import test from 'ava';
import { startWorkers } from '../../../src/engine/host/browser-workers.js';
import type { Task, WalkerData } from '../../../src/engine/walker.js';
import { EngineError } from '../../../src/errors.js';

/** A Web Worker as a page sees it; `silent` ones never start. */
class FakeWorker {
  static readonly all: FakeWorker[] = [];
  static silent = 0;
  readonly heard: unknown[] = [];
  ended = false;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onerror: ((event: { message?: string }) => void) | null = null;
  readonly #silent = FakeWorker.silent-- > 0;

  constructor() {
    FakeWorker.all.push(this);
  }

  postMessage(message: unknown): void {
    this.heard.push(message);
    if (this.#silent) return;
    const answer = this.heard.length === 1 ? { started: true } : { times: { heard: message } };
    setImmediate(() => this.ended || this.onmessage?.({ data: answer }));
  }

  terminate(): void {
    this.ended = true;
  }
}

Object.assign(globalThis, { Worker: FakeWorker, crossOriginIsolated: true });

const data = { what: 'start' } as unknown as WalkerData;
const task = (line: number) => ({ line }) as unknown as Task;
const { signal } = new AbortController();

test.beforeEach(() => {
  FakeWorker.all.length = 0;
});

test.serial('a worker that does not start is replaced, and has no task before', async (t) => {
  FakeWorker.silent = 1;
  const workers = startWorkers(2, data, 50);
  t.is(workers.count, 2);
  const tasks = [0, 1, 2, 3].map(task);
  const answers = await Promise.all(tasks.map((one) => workers.run(one, signal)));
  t.deepEqual(answers, tasks.map((heard) => ({ heard })) as unknown as typeof answers);
  while (FakeWorker.all.length < 3) await new Promise(setImmediate);
  t.is(workers.count, 2);
  const [silent] = FakeWorker.all;
  t.true(silent!.ended);
  t.deepEqual(silent!.heard, [data]);
  await workers.destroy();
  t.true(FakeWorker.all.every(({ ended }) => ended));
});

test.serial('workers that are ended are not replaced, and what waits for them fails', async (t) => {
  FakeWorker.silent = 2;
  const workers = startWorkers(2, data, 20);
  const waiting = t.throwsAsync(workers.run(task(0), signal), { instanceOf: EngineError });
  await workers.destroy();
  await waiting;
  await new Promise((resolve) => setTimeout(resolve, 60));
  t.is(FakeWorker.all.length, 2);
});
