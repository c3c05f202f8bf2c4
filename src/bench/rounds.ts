/**
 * Measures paths against one another: all compute once and are compared, then they take turns, a round at a time, so
 * that whatever else the machine does meets all of them alike.
 */
import { setTimeout } from 'node:timers/promises';
import { CheckError, RunError } from '../errors.js';
import { type Path, pathName, type Result, toResult, type Work, workName } from './result.js';
import { difference, median } from './statistics.js';

/** A path that is ready to run. */
export interface Contender {
  readonly path: Path;
  /** Does the work once: the digest of its result. */
  check(): Promise<readonly number[]>;
  /** Does the work: milliseconds of one run of it. */
  turn(): Promise<number>;
  /** How far its digest may be from the first path's; default the work's. */
  readonly tolerance?: number;
  /** Takes the reason when the path fails, and the others go on; without it the measurement fails. */
  onFailure?(error: RunError): void;
}

export interface RoundsOptions {
  readonly rounds: number;
  /** How far digests may be apart, relative to 1 + |value|. */
  readonly tolerance: number;
  /** Milliseconds between turns, for threads of another process that spin before they sleep. */
  readonly pause: number;
  readonly onNote: (text: string) => void;
  /** The clock, in milliseconds. */
  readonly now?: () => number;
}

/** The results of all paths. @throws CheckError when one does not compute what the first does. */
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
      // The first round warms up: caches, compilers, the processor's clock. It also tells how long a run is.
      if (round === 0) runs.set(contender, await runsOf(contender, now));
      else times.get(contender)!.push(await takeTurn(contender, runs.get(contender)!));
    });
  return left.map((contender) => toResult(work, contender.path, times.get(contender)!));
}

/** Does something with each in turn. Resolves to those that did not fail. */
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

/** Milliseconds that a turn lasts at least, within `MOST_RUNS`: short work is measured at work, and not as it wakes up. */
const TURN = 1000;
const MOST_RUNS = 25;

/** How many runs make a turn, by what one takes with all that belongs to it: a harness repeats the work by itself. */
async function runsOf({ turn }: Contender, now: () => number): Promise<number> {
  const begun = now();
  await turn();
  return Math.min(MOST_RUNS, Math.ceil(TURN / (now() - begun)));
}

/** The median of so many runs in a row. */
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
  return survivors(contenders, async ({ path, check, tolerance: own = tolerance }) => {
    const digest = await check();
    first ??= { path, digest };
    const apart = difference(digest, first.digest);
    if (!(apart <= own))
      throw new CheckError(
        `${workName(work)}: ${name(path)} computes something else than ${name(first.path)}: ` +
          `${apart.toPrecision(2)} apart, allowed ${own}`,
      );
  });
}
