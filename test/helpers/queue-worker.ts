import type { ExecutionContext } from 'ava';
import { JobMaker } from '../../src/generate/job-maker.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import { BlobCache } from '../../src/queue/blob-cache.js';
import { buildId } from '../../src/queue/build.js';
import { serve } from '../../src/queue/serve.js';
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

/** Starts a worker in this process, with a cache of its own, that counts as lost after a second. */
export async function workerHere(
  t: ExecutionContext,
  server: RedisServer,
  { strict = false, build = buildId(strict) } = {},
): Promise<Here> {
  const notes: string[] = [];
  const onNote = (text: string) => notes.push(text);
  const cache = new BlobCache(await temporaryFolder(t));
  const connection = await connectionTo(t, server, onNote);
  const maker = new JobMaker(connection, { threads: 2, strict, wide: false, cache, onNote });
  const abort = new AbortController();
  const onEvent = (event: { kind: string; text?: string }) => {
    if (event.text !== undefined) onNote(event.text);
  };
  const serving = serve(connection, maker, { build, lostAfter: 1, onEvent }, abort.signal);
  const stop = () => {
    abort.abort();
    return serving;
  };
  t.teardown(stop);
  return { notes, cache, stop };
}

/** A worker that is a process, and counts as lost after a second. */
export async function workerProcess(
  t: ExecutionContext,
  { url }: RedisServer,
  ...more: string[]
): Promise<Running> {
  const folder = await temporaryFolder(t);
  const args = ['worker', '--queue', url, '--threads', '1', '--lost-after', '1', ...more];
  return startHaze(t, folder, args, { HAZE_CACHE: folder });
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
