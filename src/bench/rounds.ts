/**
 * Measures paths against each other: all run once and are compared, then they take turns, round by round, so
 * that other load on the machine affects all of them alike.
 */
import { setTimeout } from 'node:timers/promises';
import { CheckError, RunError } from '../errors.js';
import { type Path, pathName, type Result, toResult, type Work, workName } from './result.js';
import { difference, median } from './statistics.js';

/** A path that is ready to run. */
export interface Contender {
  readonly path: Path;
  /** Does the work, before it is timed. Resolves to the digest of its result. */
  check(): Promise<readonly number[]>;
  /** Does the work. Resolves to the milliseconds of one run. */
  turn(): Promise<number>;
  /** How far its digest may be from the first path's; default the work's. */
  readonly tolerance?: number;
  /** Called with the reason if the path fails or gives a different result, and the others continue; without it the measurement fails. */
  onFailure?(error: RunError): void;
}

export interface RoundsOptions {
  readonly rounds: number;
  /** How far digests may differ, relative to 1 + |value|. */
  readonly tolerance: number;
  /** Milliseconds between turns, for threads of another process that spin before they sleep. */
  readonly pause: number;
  readonly onNote: (text: string) => void;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

/** The results of all paths. @throws CheckError if the result of one without `onFailure` differs from the first path's */
export async function measure(
  work: Work,
  contenders: readonly Contender[],
  { rounds, tolerance, pause, onNote, now = () => performance.now() }: RoundsOptions,
): Promise<Result[]> {
  onNote(`${workName(work)}: ${contenders.length} ways`);
  let left = await compare(work, contenders, tolerance);
  const times = new Map(left.map((contender) => [contender, [] as number[]]));
  const runs = new Map<Contender, number>();
  for (let round = 0; round <= rounds; round++)
    left = await survivors(left, async (contender) => {
      if (pause > 0) await setTimeout(pause);
      // The first round warms up caches, compilers and the processor's clock. It also shows how long a run takes.
      if (round === 0) runs.set(contender, await runsOf(contender, now));
      else times.get(contender)!.push(await takeTurn(contender, runs.get(contender)!));
    });
  return left.map((contender) => toResult(work, contender.path, times.get(contender)!));
}

/** Calls `act` for each in turn. Resolves to those that did not fail. */
async function survivors(
  contenders: readonly Contender[],
  work: (contender: Contender) => Promise<void>,
): Promise<Contender[]> {
  const left: Contender[] = [];
  for (const contender of contenders)
    try {
      await work(contender);
      left.push(contender);
    } catch (error) {
      if (!(error instanceof RunError && contender.onFailure)) throw error;
      contender.onFailure(error);
    }
  return left;
}

/** Minimum milliseconds of a turn, within `MOST_RUNS`, so that short work is measured in steady state. */
const TURN = 1000;
const MOST_RUNS = 25;

/** Runs per turn, from the whole time of one call: a harness repeats the work on its own. */
async function runsOf({ turn }: Contender, now: () => number): Promise<number> {
  const begun = now();
  await turn();
  return Math.min(MOST_RUNS, Math.ceil(TURN / (now() - begun)));
}

/** The median of `runs` runs in a row. */
async function takeTurn(contender: Contender, runs: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) times.push(await contender.turn());
  return median(times);
}

/** Resolves to those that did the work. */
function compare(
  work: Work,
  contenders: readonly Contender[],
  tolerance: number,
): Promise<Contender[]> {
  let first: { readonly path: Path; readonly digest: readonly number[] } | undefined;
  const name = (path: Path) => pathName({ ...work, ...path });
  return survivors(contenders, async ({ path, check, tolerance: own = tolerance, onFailure }) => {
    const digest = await check();
    first ??= { path, digest };
    const apart = difference(digest, first.digest);
    if (apart <= own) return;
    const what =
      `gives a different result from ${name(first.path)}: ` +
      `${apart.toPrecision(2)} apart, allowed ${own}`;
    if (onFailure) throw new RunError(what);
    throw new CheckError(`${workName(work)}: ${name(path)} ${what}`);
  });
}
