import type { Moment } from './levels.js';
import type { Mix, Objective } from './objective.js';

/*
 * A reverse process as a table: every sampler in use is linear in what it sees, but for one clamp, so a step is a row of numbers
 * for one kernel:
 *   x̂_0 = clamp(a·x + b·m),   x' = c·x + d·x̂_0 + h·m + e₁·x̂_0⁽¹⁾ + e₂·x̂_0⁽²⁾ + e₃·x̂_0⁽³⁾ + g·z
 * with m = network(x, t) and x̂_0⁽ⁿ⁾ the x̂_0 of n steps ago. x is α·x_0 + σ·ε throughout: samplers of the literature that keep
 * the image as it is and let the noise grow (Karras et al. 2022) are written in it, so that no network needs its input scaled.
 */

/** Of what the next x is made. */
export interface Row {
  /** The timestep that the network sees. */
  readonly t: number;
  /** x̂_0 from x and the output: a and b. */
  readonly foresees: Mix;
  /** c. */
  readonly x: number;
  /** d. */
  readonly x0: number;
  /** h. */
  readonly output?: number;
  /** e₁, e₂ and e₃: the x̂_0 of one step, of two and of three steps ago. */
  readonly earlier?: number;
  readonly earliest?: number;
  readonly oldest?: number;
  /** g. */
  readonly noise?: number;
}

/** Numbers of a row as the kernel takes it. */
export const ROW_WIDTH = 10;

/** a, b, range, c, d, h, e₁, e₂, e₃, g. */
export function packRow(row: Row, range: number): number[] {
  const { foresees, x, x0, output = 0, earlier = 0, earliest = 0, oldest = 0, noise = 0 } = row;
  return [foresees.x, foresees.output, range, x, x0, output, earlier, earliest, oldest, noise];
}

/** How many earlier x̂_0 a table reads. */
export type History = 0 | 1 | 2 | 3;

export function historyOf(rows: readonly Row[]): History {
  if (rows.some(({ oldest }) => oldest)) return 3;
  if (rows.some(({ earliest }) => earliest)) return 2;
  return rows.some(({ earlier }) => earlier) ? 1 : 0;
}

/** What the table of a solver is made of: where it stops on its way from noise, and what the network predicts. */
export interface Walk {
  readonly objective: Objective;
  /** Of every step, and the end. */
  readonly moments: readonly Moment[];
}

/** λ = ln(α/σ), half the logarithm of the signal-to-noise ratio. */
export const halfLogSnr = ({ alpha, sigma }: Moment): number => Math.log(alpha) - Math.log(sigma);
