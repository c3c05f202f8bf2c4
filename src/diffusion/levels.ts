import type { Signal } from './objective.js';
import type { Schedule } from './schedule.js';

/*
 * Noise levels between the timesteps of a schedule. σ̃ = σ/α is the noise relative to an unscaled image (Karras et
 * al. 2022); conversely α = 1/√(1 + σ̃²) and σ = σ̃·α.
 */

/** A moment of the reverse process: the composition of x, and the network's timestep. */
export interface Moment extends Signal {
  /** The network's timestep; 0 at the end, where it is not evaluated. */
  readonly t: number;
}

/** ᾱ of a last timestep that is pure noise, where σ̃ would be infinite (diffusers' value). */
const LEAST_SIGNAL = 2 ** -24;

/** σ̃ of every timestep. */
export function noiseLevels({ exact }: Schedule): Float64Array {
  return exact.alphaBar.map((bar) => Math.sqrt(1 / (bar || LEAST_SIGNAL) - 1));
}

export function signalOf(level: number): Signal {
  const alpha = 1 / Math.sqrt(1 + level ** 2);
  return { alpha, sigma: level * alpha };
}

/** σ̃ of a timestep that may be fractional. */
export function levelAt(levels: Float64Array, t: number): number {
  const low = Math.min(Math.floor(t), levels.length - 1);
  const high = Math.min(low + 1, levels.length - 1);
  return levels[low]! + (t - low) * (levels[high]! - levels[low]!);
}

/** Karras et al. 2022, eq. 5, with ρ = 7: `steps` levels from the largest to the smallest. */
export function karrasLevels(largest: number, smallest: number, steps: number): number[] {
  const RHO = 7;
  const [from, to] = [largest ** (1 / RHO), smallest ** (1 / RHO)];
  return Array.from(
    { length: steps },
    (_, i) => (from + (steps === 1 ? 0 : i / (steps - 1)) * (to - from)) ** RHO,
  );
}

/** The timestep of a level, interpolated between those of the schedule in the logarithm of the level. */
export function timeOfLevel(levels: Float64Array, level: number): number {
  const log = Math.log(Math.max(level, 1e-10));
  let low = 0;
  for (let t = 0; t < levels.length - 1; t++) if (Math.log(levels[t]!) <= log) low = t;
  low = Math.min(low, levels.length - 2);
  const [under, over] = [Math.log(levels[low]!), Math.log(levels[low + 1]!)];
  const share = Math.min(1, Math.max(0, (under - log) / (under - over)));
  return (1 - share) * low + share * (low + 1);
}
