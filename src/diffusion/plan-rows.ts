import type { Moment } from './levels.js';
import { eulerMoments, flowMoments, multistepMoments } from './moments.js';
import type { SamplerOptions } from './sampler.js';
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
import { eulerAncestralRows, eulerRows, heunRows } from './solvers/euler.js';
import { ancestralRows, ddimRows, type Step } from './solvers/posterior.js';
import { unipcRows } from './solvers/unipc.js';
import { spaced } from './spacing.js';
import type { Row, Walk } from './table.js';

/* From settings to a table: where the sampler stops, and the rows of its solver. */

/** A sampler's table, and its parameters. */
export interface SamplerRows {
  readonly rows: readonly Row[];
  readonly start: number;
  readonly scales: ArrayLike<number>;
}

const unscaled = (rows: readonly Row[]): SamplerRows => ({
  rows,
  start: 1,
  scales: new Float64Array(rows.length + 1).fill(1),
});

/** The rows of any sampler. */
export function planRows(schedule: Schedule, options: SamplerOptions): SamplerRows {
  const { sampler } = options;
  if (sampler === 'ancestral') {
    const { variance = 'small', spacing = 'even' } = options;
    const steps = scheduleSteps(schedule, options);
    return unscaled(ancestralRows(schedule, steps, { variance, noisyEnd: spacing !== 'even' }));
  }
  if (sampler === 'ddim')
    return unscaled(ddimRows(schedule, scheduleSteps(schedule, options), options.eta ?? 0));
  if (isMultistep(sampler) || isOfFlow(sampler, schedule)) {
    const moments = solverMoments(schedule, options);
    return unscaled(solve(sampler, { objective: schedule.objective, moments }, options));
  }
  return eulerPlan(schedule, options);
}

type OfFlow = 'flow-euler' | 'euler' | 'heun';

/** Euler and Heun along s, which need no scaling. */
const isOfFlow = (sampler: SamplerName, { objective }: Schedule): sampler is OfFlow =>
  objective === 'flow' && ['flow-euler', 'euler', 'heun'].includes(sampler);

/** Euler, Euler ancestral and Heun, for which diffusers keeps x as x_0 + σ̃·ε. */
function eulerPlan(schedule: Schedule, options: SamplerOptions): SamplerRows {
  const { sampler, spacing = 'linspace' } = options;
  const moments = eulerMoments(schedule, momentOptions(schedule, options));
  const walk = { objective: schedule.objective, moments };
  const solvers = { euler: eulerRows, 'euler-a': eulerAncestralRows, heun: heunRows };
  const rows = solvers[sampler as keyof typeof solvers](walk);
  // The moment that each row reaches; Heun's two rows of a step reach the same one.
  const reached = sampler === 'heun' ? twice(moments) : moments;
  // As in diffusers: √(σ̃² + 1) if the spacing does not start at the last timestep of the schedule, else σ̃.
  const whole = spacing === 'leading' || spacing === 'even';
  return {
    rows,
    start: whole ? 1 : moments[0]!.sigma,
    scales: reached.map(({ alpha }) => 1 / alpha),
  };
}

const twice = ([first, ...rest]: readonly Moment[]): Moment[] => [
  first!,
  ...rest.flatMap((moment, i) => (i < rest.length - 1 ? [moment, moment] : [moment])),
];

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

function solve(sampler: Multistep | OfFlow, walk: Walk, options: SamplerOptions): Row[] {
  const { lowerOrderFinal: lowerFinal = true, order = 2, solverType = 'bh2' } = options;
  switch (sampler) {
    case 'flow-euler':
    case 'euler':
      return eulerRows(walk);
    case 'heun':
      return heunRows(walk);
    case 'dpm++2m':
      return dpmRows(walk, { order: 2, stochastic: false, lowerFinal });
    case 'dpm++3m':
      return dpmRows(walk, { order: 3, stochastic: false, lowerFinal });
    case 'dpm++sde':
      return dpmRows(walk, { order: 2, stochastic: true, lowerFinal });
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

/** The timesteps of `ancestral` and `ddim`, and the ᾱ that each step reaches. */
export function scheduleSteps(schedule: Schedule, options: SamplerOptions): Step[] {
  const { timesteps, exact } = schedule;
  const { steps, spacing, stepsOffset: offset, lastAlpha } = momentOptions(schedule, options);
  const visited = spaced(spacing, { timesteps, steps, offset });
  const last = lastAlpha === 'first' ? exact.alphaBar[0]! : 1;
  const toNext = spacing === 'even' || options.sampler === 'ancestral';
  return visited.map((t, i) => {
    const next = toNext ? visited[i + 1] : t - Math.floor(timesteps / steps);
    return { t, target: next === undefined || next < 0 ? last : exact.alphaBar[next]! };
  });
}
