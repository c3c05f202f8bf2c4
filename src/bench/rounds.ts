/**
 * Measures paths against one another: all compute once and are compared, then they take turns, a round at a time, so
 * that whatever else the machine does meets all of them alike.
 */
import { setTimeout } from 'node:timers/promises';
import { CheckError } from '../errors.js';
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
}

export interface RoundsOptions {
  readonly rounds: number;
  /** How far digests may be apart, relative to 1 + |value|. */
  readonly tolerance: number;
  /** Milliseconds between turns, for threads of another process that spin before they sleep. */
  readonly pause: number;
  readonly onNote: (text: string) => void;
}

/** The results of all paths. @throws CheckError when one does not compute what the first does. */
export async function measure(
  work: Work,
  contenders: readonly Contender[],
  { rounds, tolerance, pause, onNote }: RoundsOptions,
): Promise<Result[]> {
  onNote(`${workName(work)}: ${contenders.length} ways`);
  await compare(work, contenders, tolerance);
  const times = contenders.map((): number[] => []);
  const runs: number[] = [];
  for (let round = 0; round <= rounds; round++)
    for (const [i, contender] of contenders.entries()) {
      if (pause > 0) await setTimeout(pause);
      // The first round warms up: caches, compilers, the processor's clock. It also tells how long a run is.
      if (round === 0) runs[i] = await runsOf(contender);
      else times[i]!.push(await takeTurn(contender, runs[i]!));
    }
  return contenders.map(({ path }, i) => toResult(work, path, times[i]!));
}

/** Milliseconds that a turn lasts at least, within `MOST_RUNS`: short work is measured at work, and not as it wakes up. */
const TURN = 250;
const MOST_RUNS = 25;

/** How many runs make a turn, by what one takes with all that belongs to it: a harness repeats the work by itself. */
async function runsOf({ turn }: Contender): Promise<number> {
  const begun = performance.now();
  await turn();
  return Math.min(MOST_RUNS, Math.ceil(TURN / (performance.now() - begun)));
}

/** The median of so many runs in a row. */
async function takeTurn(contender: Contender, runs: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) times.push(await contender.turn());
  return median(times);
}

async function compare(
  work: Work,
  contenders: readonly Contender[],
  tolerance: number,
): Promise<void> {
  let expected: readonly number[] | undefined;
  const name = (path: Path) => pathName({ ...work, ...path });
  for (const { path, check, tolerance: own = tolerance } of contenders) {
    const got = await check();
    expected ??= got;
    const apart = difference(got, expected);
    if (!(apart <= own))
      throw new CheckError(
        `${workName(work)}: ${name(path)} computes something else than ${name(contenders[0]!.path)}: ` +
          `${apart.toPrecision(2)} apart, allowed ${own}`,
      );
  }
}
