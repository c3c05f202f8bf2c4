/** Speed ratios from the results: the time of others divided by Haze's. */
import { byWork, type Report, type Result, type Work } from './result.js';
import { quantile } from './statistics.js';

/** A time divided by Haze's for the same work; above 1, Haze is ahead. */
export interface Ratio extends Work {
  /**
   * Whose time is divided by Haze's: the best of PyTorch's ways and batches, or Haze's own on one thread or worker. The suffix `, over
   * wide` (or `over plain`) means that Haze with the other vector width is the divisor.
   */
  readonly over: string;
  /** Of the medians. */
  readonly ratio: number;
  /** The best and the worst round, each against Haze's time in the same round. */
  readonly best: number;
  readonly worst: number;
}

/** The row that others are compared with: Haze's first, which is the default. */
export const primary = (rows: readonly Result[]): Result | undefined =>
  rows.find(({ by }) => by === 'haze');

/** Every peer against Haze, and Haze on one thread against Haze on all. */
export function ratios({ results }: Pick<Report, 'results'>): Ratio[] {
  return byWork(results).flatMap((rows) => {
    const first = primary(rows);
    if (!first) return [];
    const others = bestWays(
      rows.filter((row) => row !== first && (row.by !== 'haze' || isOneThread(row, first))),
    );
    const other = rows.find((row) => isOtherWidth(row, first));
    const peers = others.filter(({ by }) => by !== 'haze');
    return [
      ...others.map((row) => ratio(row, first)),
      ...(other ? [first, ...peers].map((row) => overOther(row, other)) : []),
    ];
  });
}

/** Whether a row differs from Haze's first only in its vector width. */
const isOtherWidth = (row: Result, first: Result): boolean =>
  row.by === 'haze' &&
  row.wide === !first.wide &&
  row.device === first.device &&
  row.build === first.build &&
  row.threads === first.threads;

function overOther(row: Result, other: Result): Ratio {
  const over = row.by === 'haze' ? widthOf(row) : row.by;
  return { ...ratio(row, other), over: `${over}, over ${widthOf(other)}` };
}

const widthOf = ({ wide }: Result): string => (wide ? 'wide' : 'plain');

/** Whether a row differs from Haze's first only in using one thread. */
const isOneThread = (row: Result, first: Result): boolean =>
  row.threads === 1 &&
  row.device === first.device &&
  row.build === first.build &&
  row.wide === first.wide &&
  row.batch === first.batch;

/** The suffixes of a peer's name: the memory format, and whether the network was compiled by torch.compile. */
const WAYS = / (compiled|channels_last)\b/g;

/** The fastest row of each peer among its ways (`PyTorch channels_last`) and batches. */
function bestWays(rows: readonly Result[]): Result[] {
  const best = new Map<string, Result>();
  for (const row of rows) {
    const name = row.by.replaceAll(WAYS, '');
    const known = best.get(name);
    if (!known || row.ms < known.ms) best.set(name, row);
  }
  return [...best.values()];
}

function ratio(row: Result, first: Result): Ratio {
  const { subject, what, model, batch, size, images, steps, beside } = first;
  const rounds = row.rounds.map((ms, i) => ms / first.rounds[i]!);
  return {
    ...{ subject, what, model, batch, size },
    ...(images !== undefined && { images }),
    ...(steps !== undefined && { steps }),
    ...(beside !== undefined && { beside }),
    over: row.by === 'haze' ? (images === undefined ? 'one thread' : 'one worker') : row.by,
    ratio: row.ms / first.ms,
    best: quantile(rounds, 1),
    worst: quantile(rounds, 0),
  };
}

/** A row's noise: half the interquartile range over the median. */
export const noise = ({ ms, spread: [low, high] }: Pick<Result, 'ms' | 'spread'>): number =>
  (high - low) / 2 / ms;
