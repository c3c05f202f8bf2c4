import type { Moment } from './levels.js';
import { eulerMoments, flowMoments, multistepMoments } from './moments.js';
import type { Level, SamplerOptions } from './sampler.js';
import {
  defaultSpacing,
  defaultSteps,
  isFlowSpacing,
  isMultistep,
  type Multistep,
  type SamplerName,
} from './samplers.js';
import type { Schedule } from './schedule.js';
import { dpmRows } from './solvers/dpm-solver.js';
import { eulerAncestralRows, eulerRows, heunRows, pairs } from './solvers/euler.js';
import { ancestralRows, ddimRows, type Step, signal } from './solvers/posterior.js';
import { unipcRows } from './solvers/unipc.js';
import { spaced } from './spacing.js';
import type { Row, Walk } from './table.js';

/* From settings to a table: where the sampler stops, and the rows of its solver. */

/** A sampler's table, and its parameters. */
export interface SamplerRows {
  readonly rows: readonly Row[];
  readonly start: number;
  readonly scales: ArrayLike<number>;
  readonly levels: readonly Level[] | null;
}

const unscaled = (rows: readonly Row[], levels: readonly Level[]): SamplerRows => ({
  ...{ rows, levels },
  start: 1,
  scales: new Float64Array(rows.length + 1).fill(1),
});

/** The steps that a redrawn picture skips: like diffusers' pipelines for noise schedules, ⌊steps·strength⌋ are taken, but at least one. */
export function skippedSteps(
  schedule: Schedule,
  options: SamplerOptions,
  strength: number,
): number {
  const { steps = defaultSteps(options.sampler, schedule) } = options;
  return steps - Math.max(1, Math.floor(steps * strength));
}

/** The rows of any sampler, without the first `skipped` steps. */
export function planRows(
  schedule: Schedule,
  options: SamplerOptions,
  skipped: number,
): SamplerRows {
  const { sampler } = options;
  if (sampler === 'ancestral') {
    const { variance = 'small', spacing = 'even' } = options;
    const steps = scheduleSteps(schedule, options, skipped);
    const rows = ancestralRows(schedule, steps, { variance, noisyEnd: spacing !== 'even' });
    return unscaled(rows, levelsOfSteps(schedule, steps));
  }
  if (sampler === 'ddim') {
    const steps = scheduleSteps(schedule, options, skipped);
    return unscaled(ddimRows(schedule, steps, options.eta ?? 0), levelsOfSteps(schedule, steps));
  }
  if (isMultistep(sampler) || isOfFlow(sampler, schedule)) {
    const all = solverMoments(schedule, options);
    const moments = all.slice(skipped);
    const walk = { objective: schedule.objective, moments };
    const rows = solve(sampler, walk, options, all.length - 1);
    return unscaled(rows, levelsOf(sampler, moments));
  }
  return eulerPlan(schedule, options, skipped);
}

/** Those of ancestral and DDIM. */
export const levelsOfSteps = ({ exact }: Schedule, steps: readonly Step[]): Level[] =>
  steps.map(({ t, target }) => ({ from: signal(exact.alphaBar[t]!), to: signal(target) }));

/** Those of a walk from moment to moment; Heun has two rows per step, and is at its end after the first. */
const levelsOf = (sampler: SamplerName, moments: readonly Moment[]): Level[] =>
  pairs(moments).flatMap(([from, to]): Level[] =>
    sampler === 'heun' && to.sigma > 0
      ? [
          { from, to },
          { from: to, to },
        ]
      : [{ from, to }],
  );

type OfFlow = 'flow-euler' | 'euler' | 'heun';

/** Euler and Heun along s, which need no scaling. */
const isOfFlow = (sampler: SamplerName, { objective }: Schedule): sampler is OfFlow =>
  objective === 'flow' && ['flow-euler', 'euler', 'heun'].includes(sampler);

/** Euler, Euler ancestral and Heun, for which diffusers keeps x as x_0 + σ̃·ε. */
function eulerPlan(schedule: Schedule, options: SamplerOptions, skipped: number): SamplerRows {
  const { sampler, spacing = 'linspace' } = options;
  const moments = eulerMoments(schedule, momentOptions(schedule, options)).slice(skipped);
  const walk = { objective: schedule.objective, moments };
  const solvers = { euler: eulerRows, 'euler-a': eulerAncestralRows, heun: heunRows };
  const rows = solvers[sampler as keyof typeof solvers](walk);
  const levels = levelsOf(sampler, moments);
  // As in diffusers: √(σ̃² + 1) if the spacing does not start at the last timestep of the schedule, else σ̃.
  const whole = spacing === 'leading' || spacing === 'even';
  return {
    rows,
    start: whole ? 1 : moments[0]!.sigma,
    scales: [moments[0]!, ...levels.map(({ to }) => to)].map(({ alpha }) => 1 / alpha),
    levels,
  };
}

/** The first s with which UniPC's polynomial can start, as in diffusers. */
const UNIPC_FIRST = 1 - 1e-6;

function solverMoments(schedule: Schedule, options: SamplerOptions): Moment[] {
  if (schedule.objective !== 'flow') {
    // diffusers' DPMSolverMultistepScheduler cuts the timesteps of this schedule, and rounds those of all others.
    const cuts = schedule.schedule === 'cosine' && options.sampler !== 'unipc';
    return multistepMoments(schedule, { ...momentOptions(schedule, options), cuts });
  }
  const { sampler, spacing = 'even', shift = 1 } = options;
  const steps = options.steps ?? defaultSteps(sampler, schedule);
  const first = sampler === 'unipc' ? UNIPC_FIRST : 1;
  return flowMoments({ steps, spacing: isFlowSpacing(spacing) ? spacing : 'even', shift, first });
}

/** @param steps those of the whole walk */
function solve(
  sampler: Multistep | OfFlow,
  walk: Walk,
  options: SamplerOptions,
  steps: number,
): Row[] {
  const { lowerOrderFinal: lowerFinal = true, order = 2, solverType = 'bh2' } = options;
  switch (sampler) {
    case 'flow-euler':
    case 'euler':
      return eulerRows(walk);
    case 'heun':
      return heunRows(walk);
    case 'dpm++2m':
      return dpmRows(walk, { order: 2, stochastic: false, lowerFinal, steps });
    case 'dpm++3m':
      return dpmRows(walk, { order: 3, stochastic: false, lowerFinal, steps });
    case 'dpm++sde':
      return dpmRows(walk, { order: 2, stochastic: true, lowerFinal, steps });
    case 'unipc':
      return unipcRows(walk, { order, solverType, lowerFinal });
    default:
      return sampler satisfies never;
  }
}

function momentOptions(schedule: Schedule, options: SamplerOptions) {
  const { sampler, stepsOffset = 0, karras = false, lastAlpha = 'one' } = options;
  const { steps = defaultSteps(sampler, schedule) } = options;
  const { spacing = defaultSpacing(sampler, schedule.objective) } = options;
  return { steps, spacing, stepsOffset, karras, lastAlpha };
}

/** The timesteps of `ancestral` and `ddim` without the first `skipped`, and the ᾱ that each step reaches. */
export function scheduleSteps(
  schedule: Schedule,
  options: SamplerOptions,
  skipped: number,
): Step[] {
  const { timesteps, exact } = schedule;
  const { steps, spacing, stepsOffset: offset, lastAlpha } = momentOptions(schedule, options);
  const visited = spaced(spacing, { timesteps, steps, offset });
  const last = lastAlpha === 'first' ? exact.alphaBar[0]! : 1;
  const toNext = spacing === 'even' || options.sampler === 'ancestral';
  const all = visited.map((t, i) => {
    const next = toNext ? visited[i + 1] : t - Math.floor(timesteps / steps);
    return { t, target: next === undefined || next < 0 ? last : exact.alphaBar[next]! };
  });
  return all.slice(skipped);
}
