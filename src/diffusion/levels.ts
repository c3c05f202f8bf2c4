import type { Signal } from './objective.js';
import type { Schedule } from './schedule.js';

/*
 * Levels of noise between the timesteps of a schedule. σ̃ = σ/α is the noise beside an image that is not scaled (Karras et
 * al. 2022); α = 1/√(1 + σ̃²) and σ = σ̃·α lead back.
 */

/** A moment of the reverse process: what x holds there, and what the network is told of it. */
export interface Moment extends Signal {
  /** The timestep that the network sees; of the end, where it sees nothing, 0. */
  readonly t: number;
}

/** ᾱ of a last timestep that is noise alone, where σ̃ would be infinite (diffusers'). */
const LEAST_SIGNAL = 2 ** -24;

/** σ̃ of every timestep. */
export function noiseLevels({ exact }: Schedule): Float64Array {
  return exact.alphaBar.map((bar) => Math.sqrt(1 / (bar || LEAST_SIGNAL) - 1));
}

export function signalOf(level: number): Signal {
  const alpha = 1 / Math.sqrt(1 + level ** 2);
  return { alpha, sigma: level * alpha };
}

/** σ̃ of a timestep that may lie between two of the schedule. */
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

/** The timestep of a level, between those of the schedule by the levels' logarithms. */
export function timeOfLevel(levels: Float64Array, level: number): number {
  const log = Math.log(Math.max(level, 1e-10));
  let low = 0;
  for (let t = 0; t < levels.length - 1; t++) if (Math.log(levels[t]!) <= log) low = t;
  low = Math.min(low, levels.length - 2);
  const [under, over] = [Math.log(levels[low]!), Math.log(levels[low + 1]!)];
  const share = Math.min(1, Math.max(0, (under - log) / (under - over)));
  return (1 - share) * low + share * (low + 1);
}
