import type { Moment } from './levels.js';
import type { Mix, Objective } from './objective.js';

/*
 * A reverse process as a table: every supported sampler is linear in its inputs, except for one clamp, so a step is a row of numbers
 * for one kernel:
 *   x̂_0 = clamp(a·x + b·m),   x' = c·x + d·x̂_0 + h·m + e₁·x̂_0⁽¹⁾ + e₂·x̂_0⁽²⁾ + e₃·x̂_0⁽³⁾ + g·z
 * with m = network(x, t) and x̂_0⁽ⁿ⁾ the x̂_0 of n steps ago. x is α·x_0 + σ·ε throughout: samplers from the literature that leave
 * the image unscaled and let the noise grow (Karras et al. 2022) are rewritten for it, so no network needs scaled input.
 */

/** The coefficients of the next x. */
export interface Row {
  /** The network's timestep. */
  readonly t: number;
  /** x̂_0 from x and the output: a and b. */
  readonly foresees: Mix;
  /** c. */
  readonly x: number;
  /** d. */
  readonly x0: number;
  /** h. */
  readonly output?: number;
  /** e₁, e₂ and e₃: for the x̂_0 of one, two and three steps ago. */
  readonly earlier?: number;
  readonly earliest?: number;
  readonly oldest?: number;
  /** g. */
  readonly noise?: number;
}

/** Numbers per row as the kernel reads it. */
export const ROW_WIDTH = 10;

/** a, b, range, c, d, h, e₁, e₂, e₃, g. */
export function packRow(row: Row, range: number): number[] {
  const { foresees, x, x0, output = 0, earlier = 0, earliest = 0, oldest = 0, noise = 0 } = row;
  return [foresees.x, foresees.output, range, x, x0, output, earlier, earliest, oldest, noise];
}

/** Number of earlier x̂_0 that a table reads. */
export type History = 0 | 1 | 2 | 3;

export function historyOf(rows: readonly Row[]): History {
  if (rows.some(({ oldest }) => oldest)) return 3;
  if (rows.some(({ earliest }) => earliest)) return 2;
  return rows.some(({ earlier }) => earlier) ? 1 : 0;
}

/** The input of a solver's table: the moments on the way from noise, and the network's objective. */
export interface Walk {
  readonly objective: Objective;
  /** One per step, and the end. */
  readonly moments: readonly Moment[];
}

/** λ = ln(α/σ), half the logarithm of the signal-to-noise ratio. */
export const halfLogSnr = ({ alpha, sigma }: Moment): number => Math.log(alpha) - Math.log(sigma);
