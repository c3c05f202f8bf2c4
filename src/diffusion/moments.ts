import {
  karrasLevels,
  levelAt,
  type Moment,
  noiseLevels,
  signalOf,
  timeOfLevel,
} from './levels.js';
import { FLOW_TIMES } from './objective.js';
import type { Schedule } from './schedule.js';
import { roundHalfEven, type Spacing, spaced } from './spacing.js';

/*
 * The moments of a reverse process: one per step, and the end. diffusers' schedulers are of two kinds,
 * which differ in their rounding.
 */

export interface MomentOptions {
  readonly steps: number;
  readonly spacing: Spacing;
  readonly stepsOffset: number;
  readonly karras: boolean;
  /** The noise left at the end: none, or that of t = 0. */
  readonly lastAlpha: 'one' | 'first';
  /** Whether timesteps of Karras' levels are cut to whole ones, in place of rounded. */
  readonly cuts?: boolean;
}

/** Euler and Heun: timesteps may be fractional. */
export function eulerMoments(schedule: Schedule, options: MomentOptions): Moment[] {
  const levels = noiseLevels(schedule);
  const visited = spacedFor(schedule, options, { between: true });
  const own = visited.map((t) => levelAt(levels, t));
  if (!options.karras) return moments(visited, own, levels, options);
  const karras = karrasLevels(own[0]!, own.at(-1)!, options.steps);
  const times = karras.map((level) => timeOfLevel(levels, level));
  return moments(times, karras, levels, options);
}

/** DPM-Solver++ and UniPC: whole timesteps, from a spacing with one more step whose last is not visited. */
export function multistepMoments(schedule: Schedule, options: MomentOptions): Moment[] {
  const levels = noiseLevels(schedule);
  if (!options.karras) {
    const visited = spacedFor(schedule, options, { open: true });
    const own = visited.map((t) => levels[t]!);
    return moments(visited, own, levels, options);
  }
  const karras = karrasLevels(levels.at(-1)!, levels[0]!, options.steps);
  const whole = options.cuts ? Math.floor : roundHalfEven;
  const times = karras.map((level) => whole(timeOfLevel(levels, level)));
  return moments(times, karras, levels, options);
}

const spacedFor = (
  { timesteps }: Schedule,
  { spacing, steps, stepsOffset: offset }: MomentOptions,
  how: { between?: boolean; open?: boolean },
): number[] => spaced(spacing, { timesteps, steps, offset, ...how });

function moments(
  times: readonly number[],
  own: readonly number[],
  levels: Float64Array,
  { lastAlpha }: MomentOptions,
): Moment[] {
  const end = { t: 0, ...signalOf(lastAlpha === 'first' ? levels[0]! : 0) };
  return [...own.map((level, i) => ({ t: times[i]!, ...signalOf(level) })), end];
}

export interface FlowOptions {
  readonly steps: number;
  /** `linspace` ends at s = 1/1000 like diffusers, `even` goes down to 0 in equal parts. */
  readonly spacing: 'even' | 'linspace';
  /** Values above 1 spend more steps at high noise: s becomes shift·s/(1 + (shift − 1)·s) (Esser et al. 2024, section 5.3.2). */
  readonly shift: number;
  /** The largest s. */
  readonly first: number;
}

/** Flow matching: x = (1 − s)·x_0 + s·ε, and the network's timestep is 1000·s. */
export function flowMoments({ steps, spacing, shift, first }: FlowOptions): Moment[] {
  const shifted = (s: number) => (shift * s) / (1 + (shift - 1) * s);
  // diffusers shifts its smallest s once more.
  const smallest = shifted(1 / FLOW_TIMES);
  const at = (i: number) =>
    spacing === 'even' ? 1 - i / steps : 1 + (steps === 1 ? 0 : i / (steps - 1)) * (smallest - 1);
  return Array.from({ length: steps + 1 }, (_, i) => {
    const s = i === steps ? 0 : Math.min(first, shifted(at(i)));
    return { t: FLOW_TIMES * s, alpha: 1 - s, sigma: s };
  });
}
