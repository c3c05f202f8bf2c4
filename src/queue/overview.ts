/** The state of a queue: workers, runs, waiting and failed jobs. */
import { present, type RunSign, type WorkerSign } from './board.js';
import type { Connection, ServerInfo } from './connect.js';
import { GENERATE, type Kind, type KindName, TRAIN } from './kinds.js';
import { knownBuilds, openQueue } from './queues.js';

export interface Overview {
  /** The address without user and password. */
  readonly address: string;
  readonly redis: ServerInfo;
  readonly workers: readonly WorkerSign[];
  readonly runs: readonly (RunSign & { readonly secondsLeft: number | null })[];
  readonly jobs: readonly JobCounts[];
  readonly failures: readonly Failure[];
}

/** Jobs of a build and a kind. */
export interface JobCounts {
  readonly build: string;
  readonly kind: KindName;
  readonly waiting: number;
  readonly active: number;
  /** Waiting for a retry. */
  readonly delayed: number;
  readonly failed: number;
}

/** A job that was abandoned within the last hour. */
export interface Failure {
  readonly build: string;
  /** `images 16 to 31`, `replica 2, steps 26 to 50`; null if its data are invalid. */
  readonly what: string | null;
  readonly reason: string;
}

/** Number of failures shown per build: the latest ones. */
const SHOWN = 10;

export async function survey(connection: Connection): Promise<Overview> {
  const { redis, address } = connection;
  const [workers, runs, builds] = await Promise.all([
    present(redis, 'worker'),
    present(redis, 'run'),
    knownBuilds(redis),
  ]);
  const queues = [];
  for (const build of builds.filter((name) => !name.includes(':')).sort())
    queues.push(
      await surveyBuild(connection, build, GENERATE),
      await surveyBuild(connection, build, TRAIN),
    );
  return {
    address: address.shown,
    redis: await connection.info(),
    workers: [...workers].sort((a, b) => (a.name < b.name ? -1 : 1)),
    runs: runs.map((run) => ({ ...run, secondsLeft: secondsLeft(run) })),
    jobs: queues.map(({ counts }) => counts),
    failures: queues.flatMap(({ failures }) => failures),
  };
}

const secondsLeft = ({ done, total, imagesPerSecond }: RunSign): number | null =>
  imagesPerSecond > 0 ? Math.round((total - done) / imagesPerSecond) : null;

async function surveyBuild<J>(
  connection: Connection,
  build: string,
  kind: Pick<Kind<J, unknown>, 'name' | 'parse' | 'inWords'>,
): Promise<{ counts: JobCounts; failures: Failure[] }> {
  const queue = await openQueue(connection, build, kind.name);
  try {
    const found = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed');
    const { waiting = 0, active = 0, delayed = 0, failed = 0 } = found;
    const jobs = await queue.getFailed(0, SHOWN - 1);
    const failures = jobs.map(({ data, failedReason }) => ({
      build,
      what: whatOf(data, kind),
      reason: String(failedReason),
    }));
    return { counts: { build, kind: kind.name, waiting, active, delayed, failed }, failures };
  } finally {
    await queue.close();
  }
}

function whatOf<J>(data: unknown, { parse, inWords }: Pick<Kind<J, unknown>, 'parse' | 'inWords'>) {
  try {
    return inWords(parse(data));
  } catch {
    return null;
  }
}
