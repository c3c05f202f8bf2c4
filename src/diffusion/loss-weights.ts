import { UsageError } from '../errors.js';
import { FLOW_TIMES } from './objective.js';
import type { Schedule } from './schedule.js';

/*
 * Custom loss weights: the function is evaluated once, into a table, so that a run and its resumes use the same
 * numbers. The table has an entry per timestep; for `flow`, whose timesteps are real, one at each of 0 … 1000, interpolated linearly.
 */

/** How noisy an image is. */
export interface LossMoment {
  /** The timestep, counted from 0; for `flow` 1000·s. */
  readonly t: number;
  /** ᾱ, the share of the image in the variance of x_t; for `flow` (1 − s)². */
  readonly alphaBar: number;
  /** Signal-to-noise ratio: ᾱ/(1 − ᾱ), for `flow` (1 − s)²/s²; infinite without noise. */
  readonly snr: number;
}

/** The weight of the loss at a moment: a finite number of 0 or more. */
export type LossWeighting = (moment: LossMoment) => number;

/** Most timesteps of such a table, which is part of config.json. */
const LONGEST = 10_000;

/** Entries of a table. */
export const lossTableLength = ({
  objective,
  timesteps,
}: Pick<Schedule, 'objective' | 'timesteps'>): number =>
  objective === 'flow' ? FLOW_TIMES + 1 : timesteps;

/** @throws UsageError for invalid weights; `where` names the function in messages */
export function makeLossWeights(
  where: string,
  weighting: LossWeighting,
  schedule: Schedule,
): number[] {
  const length = lossTableLength(schedule);
  if (length > LONGEST)
    throw new UsageError(
      `${where}: expected at most ${LONGEST} timesteps for custom weights, got ${length}`,
    );
  const table = Array.from({ length }, (_, t) => {
    const weight: unknown = weighting(momentAt(schedule, t));
    if (typeof weight === 'number' && weight >= 0 && Number.isFinite(Math.fround(weight)))
      return weight;
    throw new UsageError(
      `${where}: expected a finite number of 0 or more, got ${String(weight)} for timestep ${t}`,
    );
  });
  if (table.some((weight) => weight > 0)) return table;
  throw new UsageError(`${where}: expected a weight above 0 for some timestep, got none`);
}

function momentAt({ objective, exact }: Schedule, t: number): LossMoment {
  if (objective === 'flow') {
    const s = t / FLOW_TIMES;
    return { t, alphaBar: (1 - s) ** 2, snr: ((1 - s) / s) ** 2 };
  }
  const alphaBar = exact.alphaBar[t]!;
  return { t, alphaBar, snr: alphaBar / (1 - alphaBar) };
}

/** The weight at a position: a timestep, or s for `flow`. */
export function lossWeightAt(
  table: readonly number[],
  { objective }: Pick<Schedule, 'objective'>,
  position: number,
): number {
  if (objective !== 'flow') return table[position]!;
  const t = position * FLOW_TIMES;
  const low = Math.min(Math.floor(t), FLOW_TIMES - 1);
  return table[low]! + (t - low) * (table[low + 1]! - table[low]!);
}
