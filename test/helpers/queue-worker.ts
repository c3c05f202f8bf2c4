import type { ExecutionContext } from 'ava';
import { JobMaker } from '../../src/generate/job-maker.js';
import type { GenerateOptions } from '../../src/generate/options.js';
import { BlobCache } from '../../src/queue/blob-cache.js';
import { buildId } from '../../src/queue/build.js';
import type { Connection } from '../../src/queue/connect.js';
import { GENERATE, TRAIN } from '../../src/queue/kinds.js';
import type { MakerOptions } from '../../src/queue/maker.js';
import { type ServeEvent, type Service, serve, service } from '../../src/queue/serve.js';
import { TrainMaker } from '../../src/train/train-maker.js';
import { meanwhile, type Running, startHaze } from './cli.js';
import { temporaryFolder } from './folder.js';
import { optionsIn } from './generate.js';
import { connectionTo, type RedisServer } from './redis.js';

/** A worker in this process. */
export interface Here {
  readonly notes: readonly string[];
  readonly cache: BlobCache;
  /** Resolves to how many images it made, or steps it took. */
  stop(): Promise<number>;
}

interface HereOptions {
  /** Seconds without a sign of life after which it counts as lost. A busy machine may stall a test's process for some. Default 2. */
  readonly lostAfter?: number;
  readonly threads?: number;
  readonly strict?: boolean;
  readonly build?: string;
}

/** Starts a worker in this process, with a cache of its own. */
async function serveHere(
  t: ExecutionContext,
  server: Pick<RedisServer, 'url'>,
  { lostAfter = 2, threads = 2, strict = false, build = buildId(strict) }: HereOptions,
  unit: 'images' | 'steps',
  serviceOf: (connection: Connection, how: MakerOptions) => Service,
): Promise<Here> {
  const notes: string[] = [];
  const onNote = (text: string) => notes.push(text);
  const cache = new BlobCache(await temporaryFolder(t));
  const connection = await connectionTo(t, server, onNote);
  const own = serviceOf(connection, { threads, strict, wide: null, cache, onNote });
  const abort = new AbortController();
  const onEvent = (event: ServeEvent) => {
    if (event.kind === 'note') onNote(event.text);
  };
  const options = { build, lostAfter, cache: cache.folder, onEvent };
  const serving = serve([own], connection, options, abort.signal);
  const stop = async () => {
    abort.abort();
    return (await serving).count(unit);
  };
  t.teardown(stop);
  return { notes, cache, stop };
}

/** A worker that draws images alone. */
export const workerHere = (
  t: ExecutionContext,
  server: RedisServer,
  options: HereOptions = {},
): Promise<Here> =>
  serveHere(t, server, options, 'images', (connection, how) =>
    service(GENERATE, new JobMaker(connection, how)),
  );

/** A worker that trains alone. */
export const trainerHere = (
  t: ExecutionContext,
  server: Pick<RedisServer, 'url'>,
  options: HereOptions = {},
): Promise<Here> =>
  serveHere(t, server, options, 'steps', (connection, how) =>
    service(TRAIN, new TrainMaker(connection, how)),
  );

/** A worker that is a process; counts as lost after two seconds unless it is said otherwise. */
export async function workerProcess(
  t: ExecutionContext,
  { url }: Pick<RedisServer, 'url'>,
  lostAfter = 2,
): Promise<Running> {
  const folder = await temporaryFolder(t);
  const args = ['worker', '--threads', '1', '--lost-after', `${lostAfter}`];
  return startHaze(t, folder, args, { HAZE_CACHE: folder, REDIS_URL: url });
}

/** Resolves when a process has written this to stderr. @throws what it wrote instead, if it ends before */
export function says(running: Running, words: RegExp): Promise<void> {
  let text = '';
  running.process.stderr!.on('data', (more: string) => {
    text += more;
  });
  return meanwhile(running, () => words.test(text));
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
