import type { ExecutionContext } from 'ava';
import { JobMaker } from '../../src/generate/job-maker.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import { BlobCache } from '../../src/queue/blob-cache.js';
import { buildId } from '../../src/queue/build.js';
import { GENERATE, TRAIN } from '../../src/queue/kinds.js';
import { serve, service } from '../../src/queue/serve.js';
import { TrainMaker } from '../../src/train/train-maker.js';
import { type Running, startHaze } from './cli.js';
import { temporaryFolder } from './folder.js';
import { optionsIn } from './generate.js';
import { connectionTo, type RedisServer } from './redis.js';

/** A worker in this process. */
export interface Here {
  readonly notes: readonly string[];
  readonly cache: BlobCache;
  /** Resolves to how many images it made. */
  stop(): Promise<number>;
}

/** Starts a worker in this process, with a cache of its own, that counts as lost after two seconds. */
export async function workerHere(
  t: ExecutionContext,
  server: RedisServer,
  { strict = false, build = buildId(strict) } = {},
): Promise<Here> {
  const notes: string[] = [];
  const onNote = (text: string) => notes.push(text);
  const cache = new BlobCache(await temporaryFolder(t));
  const connection = await connectionTo(t, server, onNote);
  const maker = new JobMaker(connection, { threads: 2, strict, wide: null, cache, onNote });
  const abort = new AbortController();
  const onEvent = (event: { kind: string; text?: string }) => {
    if (event.text !== undefined) onNote(event.text);
  };
  const serving = serve(
    [service(GENERATE, maker)],
    connection,
    { build, lostAfter: 2, cache: cache.folder, onEvent },
    abort.signal,
  );
  const stop = async () => {
    abort.abort();
    return (await serving).count('images');
  };
  t.teardown(stop);
  return { notes, cache, stop };
}

/** A worker that is a process; counts as lost after two seconds unless it is said otherwise. */
export async function workerProcess(
  t: ExecutionContext,
  { url }: RedisServer,
  lostAfter = 2,
): Promise<Running> {
  const folder = await temporaryFolder(t);
  const args = ['worker', '--threads', '1', '--lost-after', `${lostAfter}`];
  return startHaze(t, folder, args, { HAZE_CACHE: folder, REDIS_URL: url });
}

/** Resolves when a process has written this to stderr. */
export function says({ process: { stderr } }: Running, words: RegExp): Promise<void> {
  let text = '';
  return new Promise((resolve) => {
    stderr!.on('data', (more: string) => {
      text += more;
      if (words.test(text)) resolve();
    });
  });
}

/** What `optionsIn` says, for workers of this Redis: 64 images in batches of 4. */
export const queuedIn = (
  folder: string,
  out: string,
  { url }: RedisServer,
  changes: Partial<GenerateOptions> = {},
): GenerateOptions => ({
  ...optionsIn(folder, out, { count: 64, batch: 4 }),
  queue: url,
  ...changes,
});

/** A worker in this process that trains alone. Its count is of steps. */
export async function trainerHere(
  t: ExecutionContext,
  server: Pick<RedisServer, 'url'>,
  { threads = 2, strict = false, build = buildId(strict) } = {},
): Promise<Here> {
  const notes: string[] = [];
  const onNote = (text: string) => notes.push(text);
  const cache = new BlobCache(await temporaryFolder(t));
  const connection = await connectionTo(t, server, onNote);
  const maker = new TrainMaker(connection, { threads, strict, wide: null, cache, onNote });
  const abort = new AbortController();
  const onEvent = (event: { kind: string; text?: string }) => {
    if (event.text !== undefined) onNote(event.text);
  };
  const serving = serve(
    [service(TRAIN, maker)],
    connection,
    { build, lostAfter: 2, cache: cache.folder, onEvent },
    abort.signal,
  );
  const stop = async () => {
    abort.abort();
    return (await serving).count('steps');
  };
  t.teardown(stop);
  return { notes, cache, stop };
}
