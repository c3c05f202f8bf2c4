import { UsageError } from '../errors.js';
import { levelAt, noiseLevels, signalOf } from './levels.js';
import {
  FLOW_TIMES,
  imageFrom,
  type Mix,
  noiseFrom,
  type Objective,
  type Signal,
} from './objective.js';
import type { Schedule } from './schedule.js';
import type { Row } from './table.js';

/* A custom sampler: a function that makes the table. */

/** The input of a custom sampler. */
export interface SamplerWay {
  /** The requested reverse steps; default 50, or T if that is less. */
  readonly steps: number;
  /** T; for `flow` 1000, the network's timestep for pure noise. */
  readonly timesteps: number;
  /** What the network predicts. */
  readonly objective: Objective;
  /**
   * α and σ of x_t = α·x_0 + σ·ε at a timestep from 0 to T − 1 (for `flow` to 1000), which may be fractional.
   * @throws UsageError for another timestep
   */
  signalAt(t: number): Signal;
  /** Coefficients for x̂_0 from x and the network's output. */
  imageFrom(signal: Signal): Mix;
  /** Coefficients for ε̂. */
  noiseFrom(signal: Signal): Mix;
}

/** A step of a custom sampler: a row of the table (see `Row`). */
export interface CustomRow extends Omit<Row, 'foresees'> {
  /** Default x̂_0 as it follows from the network's output at t. */
  readonly foresees?: Mix;
}

/**
 * Makes the rows of a sampler, one per evaluation of the network: x' = c·x + d·x̂_0 + h·m + e₁·x̂_0⁽¹⁾ + e₂·x̂_0⁽²⁾ + e₃·x̂_0⁽³⁾ + g·z, where m is
 * the output, x̂_0 the predicted image (clamped if requested), x̂_0⁽ⁿ⁾ that of n rows before, and z noise.
 * `start` is the standard deviation of x_T; default 1.
 * @example Euler's method:
 * ({ steps, timesteps, signalAt }) => {
 *   const times = Array.from({ length: steps }, (_, i) => ((timesteps - 1) * (steps - i)) / steps);
 *   return times.map((t, i) => {
 *     const [from, to] = [signalAt(t), i + 1 < steps ? signalAt(times[i + 1]) : { alpha: 1, sigma: 0 }];
 *     const kept = to.sigma / from.sigma;
 *     return { t, x: kept, x0: to.alpha - kept * from.alpha };
 *   });
 * }
 */
export type CustomSampler = (
  way: SamplerWay,
) => readonly CustomRow[] | { readonly rows: readonly CustomRow[]; readonly start?: number };

/** Most rows of a table. */
const MOST_ROWS = 100_000;

/** The table of a custom sampler. @throws UsageError naming the row, with what was expected and what was found */
export function customRows(
  schedule: Schedule,
  sampler: CustomSampler,
  steps: number,
): { rows: Row[]; start: number } {
  const way = wayOf(schedule, steps);
  const made: unknown = sampler(way);
  const { rows, start = 1 } = (Array.isArray(made) ? { rows: made } : (made ?? {})) as {
    rows?: unknown;
    start?: unknown;
  };
  if (!Array.isArray(rows) || rows.length < 1 || rows.length > MOST_ROWS)
    throw new UsageError(
      `sampler: expected a list of 1 to ${MOST_ROWS} rows, got ${Array.isArray(rows) ? rows.length : typeof made}`,
    );
  const checked = rows.map((row, i) => readRow(`sampler: row ${i}`, row, way));
  return { rows: checked, start: finite('sampler: start', start) };
}

function wayOf(schedule: Schedule, steps: number): SamplerWay {
  const { objective } = schedule;
  const flow = objective === 'flow';
  const timesteps = flow ? FLOW_TIMES : schedule.timesteps;
  const last = flow ? timesteps : timesteps - 1;
  const levels = flow ? null : noiseLevels(schedule);
  return {
    ...{ steps, timesteps, objective },
    signalAt: (t) => {
      if (!(t >= 0 && t <= last))
        throw new UsageError(`signalAt: expected a timestep from 0 to ${last}, got ${t}`);
      if (levels) return signalOf(levelAt(levels, t));
      return { alpha: 1 - t / FLOW_TIMES, sigma: t / FLOW_TIMES };
    },
    imageFrom: (signal) => imageFrom(objective, signal),
    noiseFrom: (signal) => noiseFrom(objective, signal),
  };
}

const OPTIONAL = ['output', 'earlier', 'earliest', 'oldest', 'noise'] as const;
const NAMES = ['t', 'foresees', 'x', 'x0', ...OPTIONAL] as const satisfies readonly (keyof Row)[];

function readRow(where: string, row: unknown, way: SamplerWay): Row {
  if (typeof row !== 'object' || row === null)
    throw new UsageError(`${where}: expected { t, x, x0, … }, got ${String(row)}`);
  const given = row as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(given).find((name) => !(NAMES as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new UsageError(`${where}: ${unknown}: unknown; expected ${NAMES.join(', ')}`);
  const number = (name: string) => finite(`${where}: ${name}`, given[name]);
  const t = number('t');
  return {
    ...{ t, foresees: readMix(`${where}: foresees`, given.foresees, way, t) },
    ...{ x: number('x'), x0: number('x0') },
    ...Object.fromEntries(
      OPTIONAL.filter((name) => given[name] !== undefined).map((name) => [name, number(name)]),
    ),
  };
}

function readMix(where: string, given: unknown, way: SamplerWay, t: number): Mix {
  const mix = given ?? way.imageFrom(way.signalAt(t));
  if (typeof mix !== 'object' || mix === null)
    throw new UsageError(`${where}: expected { x, output }, got ${String(mix)}`);
  const { x, output } = mix as Readonly<Record<string, unknown>>;
  return { x: finite(`${where}.x`, x), output: finite(`${where}.output`, output) };
}

/** @throws UsageError for a value that is not a finite f32 */
function finite(where: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(Math.fround(value))) return value;
  throw new UsageError(`${where}: expected a finite number, got ${String(value)}`);
}
