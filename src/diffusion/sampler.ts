import type { ReverseKernel } from '../engine/arithmetic.js';
import { UsageError } from '../errors.js';
import type { Moment } from './levels.js';
import { eulerMoments, flowMoments, multistepMoments } from './moments.js';
import { FLOW_TIMES } from './objective.js';
import {
  defaultSpacing,
  defaultSteps,
  FLOW_ONLY,
  FLOW_SPACINGS,
  kindOf,
  type OwnSetting,
  SAMPLER_NAMES,
  type SamplerName,
  SCHEDULE_ONLY,
} from './samplers.js';
import type { Schedule } from './schedule.js';
import { dpmRows } from './solvers/dpm-solver.js';
import { eulerAncestralRows, eulerRows, heunRows } from './solvers/euler.js';
import { ancestralNoiseSteps, ddimNoiseSteps } from './solvers/noise-steps.js';
import { ancestralRows, ddimRows, type Step } from './solvers/posterior.js';
import { unipcRows } from './solvers/unipc.js';
import { type Spacing, spaced } from './spacing.js';
import { historyOf, packRow, ROW_WIDTH, type Row } from './table.js';

/*
 * The reverse process as a list of steps: which timesteps are visited, and the numbers that each step's
 * kernel needs. The numbers are made here in f64, so that a trajectory is a walk along a table.
 */

export interface SamplerOptions {
  readonly sampler: SamplerName;
  /** Reverse steps; absent means what suits the sampler. `heun` asks the network twice in each but the last. */
  readonly steps?: number | undefined;
  /** DDIM's η in [0, 1], default 0: 0 is deterministic, 1 has the ancestral variance. */
  readonly eta?: number | undefined;
  /** Range that x̂₀ is clamped to, above 0; absent: as it is. */
  readonly clamp?: number | undefined;
  /** Share of an image's |x̂₀| that its own clamp leaves, in (0, 1] (Saharia et al. 2022, section 2.3); absent: no such clamp. */
  readonly dynamicThreshold?: number | undefined;
  /** The largest such clamp; absent: any. */
  readonly thresholdMax?: number | undefined;
  /** σ² of the ancestral sampler: the posterior variance (default) or β_t (Ho et al. 2020, section 3.2). */
  readonly variance?: 'small' | 'large' | undefined;
  /**
   * Which timesteps are visited: `even` begins with T−1 and takes the next visited as the step's target. The others are
   * diffusers' timestep_spacing (Lin et al. 2024, table 2); DDIM's targets are then ⌊T/steps⌋ below. Default `even` for
   * `ancestral`, `ddim` and `flow`, else `linspace`.
   */
  readonly spacing?: Spacing | undefined;
  /** Added to the timesteps of `leading`, default 0. */
  readonly stepsOffset?: number | undefined;
  /** ᾱ after the last step: 1 (default), or that of t = 0. */
  readonly lastAlpha?: 'one' | 'first' | undefined;
  /** Noise levels of Karras et al. 2022, eq. 5, instead of those of the visited timesteps; default false. */
  readonly karras?: boolean | undefined;
  /** Lower orders in the last steps of a solver that takes fewer than 15; default true. */
  readonly lowerOrderFinal?: boolean | undefined;
  /** Of `flow`: how much longer the way stays with noise; default 1. */
  readonly shift?: number | undefined;
}

export type { ReverseKernel };

export interface Trajectory {
  /** The kernel that takes a step, which fixes what a row of coefficients holds. */
  readonly kernel: ReverseKernel;
  /** What the network sees, in the order of visit: any numbers of f32. */
  readonly timesteps: Float64Array;
  /** The stream of each step's noise: u32, the timestep where that is whole, else the step's number. */
  readonly streams: Uint32Array;
  /** f32[steps][width]: one row for each visited timestep. */
  readonly coefficients: Float32Array;
  /** Numbers in a row: 3 for pSample, 5 for ddimStep, 9 for tableStep; the last is that of z. */
  readonly width: number;
  /** How many earlier x̂₀ a row of tableStep reads. */
  readonly history: 0 | 1 | 2;
  /** Dynamic thresholding, with tableStep. */
  readonly threshold: Threshold | null;
  /** Standard deviation of x_T. */
  readonly start: number;
  /** What diffusers' scheduler of the name holds, in units of x, before the first step and after each. */
  readonly scales: Float64Array;
}

/** Clamps each image by the quantile of its own |x̂₀|, and divides by that. */
export interface Threshold {
  /** In (0, 1]. */
  readonly quantile: number;
  /** The largest clamp. */
  readonly most: number;
}

/** No largest clamp: the largest f32, since a program's numbers are finite. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/**
 * The reverse process of a schedule.
 * @throws UsageError for settings that the sampler does not have, or an objective.
 */
export function makeTrajectory(schedule: Schedule, options: SamplerOptions): Trajectory {
  const given = dropUndefined(options);
  checkSampler(schedule, given);
  return noiseTrajectory(schedule, given) ?? tableTrajectory(schedule, given);
}

const dropUndefined = (options: SamplerOptions): SamplerOptions =>
  Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as SamplerOptions;

/** Flags of settings whose names are not theirs. */
const FLAGS: Partial<Record<OwnSetting, string>> = {
  stepsOffset: '--steps-offset',
  lastAlpha: '--last-alpha',
  lowerOrderFinal: '--lower-order-final',
};

export const flagOfSetting = (name: OwnSetting): string => FLAGS[name] ?? `--${name}`;

/** What of a schedule says which settings can be. */
export type Forward = Pick<Schedule, 'timesteps' | 'objective'>;

/** @throws UsageError for settings that cannot be, or that do not go together. */
export function checkSampler(schedule: Forward, options: SamplerOptions): void {
  const { timesteps, objective } = schedule;
  const {
    sampler,
    eta = 0,
    clamp = 1,
    dynamicThreshold = 1,
    thresholdMax = 1,
    shift = 1,
  } = options;
  if (!SAMPLER_NAMES.includes(sampler))
    throw new UsageError(
      `--sampler: expected one of ${SAMPLER_NAMES.join(', ')}, got ${String(sampler)}`,
    );
  const steps = options.steps ?? defaultSteps(sampler, timesteps);
  const most = mostSteps(schedule);
  if (!Number.isInteger(steps) || steps < 1 || steps > most)
    throw new UsageError(`--sample-steps: expected a whole number from 1 to ${most}, got ${steps}`);
  checkObjective(sampler, objective, options);
  if (!(eta >= 0 && eta <= 1))
    throw new UsageError(`--eta: expected a number from 0 to 1, got ${eta}`);
  if (!(clamp > 0)) throw new UsageError(`--clamp-range: expected a number above 0, got ${clamp}`);
  if (!(dynamicThreshold > 0 && dynamicThreshold <= 1))
    throw new UsageError(
      `--dynamic-threshold: expected a number above 0 and at most 1, got ${dynamicThreshold}`,
    );
  if (!(thresholdMax > 0))
    throw new UsageError(`--threshold-max: expected a number above 0, got ${thresholdMax}`);
  if (!(shift > 0)) throw new UsageError(`--shift: expected a number above 0, got ${shift}`);
  if (options.clamp !== undefined && options.dynamicThreshold !== undefined)
    throw new UsageError('--dynamic-threshold: clamps by itself; it does not go with --clamp');
  if (objective !== 'flow') checkSpacing(schedule, options, steps);
}

/** The most reverse steps: one a timestep, and of flow matching, which has none, one a unit of what the network sees. */
export const mostSteps = ({ timesteps, objective }: Forward): number =>
  objective === 'flow' ? FLOW_TIMES : timesteps;

/** @throws UsageError for a sampler that the objective does not have, and settings that both do not. */
function checkObjective(
  sampler: SamplerName,
  objective: Schedule['objective'],
  options: SamplerOptions,
): void {
  if (!kindOf(sampler).objectives.includes(objective)) {
    const able = SAMPLER_NAMES.filter((name) => kindOf(name).objectives.includes(objective));
    throw new UsageError(
      `--sampler: ${sampler} is not for a model of --objective ${objective}, which has ${able.join(', ')}`,
    );
  }
  const flow = objective === 'flow';
  for (const name of flow ? SCHEDULE_ONLY : FLOW_ONLY)
    if (options[name] !== undefined)
      throw new UsageError(`${flagOfSetting(name)}: not for a model of --objective ${objective}`);
  if (flow && options.spacing !== undefined && !isFlowSpacing(options.spacing))
    throw new UsageError(
      `--spacing: expected ${FLOW_SPACINGS.join(' or ')} for a model of --objective flow, got ${options.spacing}`,
    );
}

const isFlowSpacing = (spacing: Spacing): spacing is (typeof FLOW_SPACINGS)[number] =>
  (FLOW_SPACINGS as readonly Spacing[]).includes(spacing);

function checkSpacing({ timesteps, objective }: Forward, options: SamplerOptions, steps: number) {
  const { sampler, stepsOffset = 0 } = options;
  const spacing = options.spacing ?? defaultSpacing(sampler, objective);
  if (spacing !== 'leading') return;
  const open = isMultistep(sampler);
  const [first] = spaced('leading', { timesteps, steps, offset: stepsOffset, open });
  if (first! >= timesteps)
    throw new UsageError(
      `--steps-offset: expected the first timestep below ${timesteps}, got ${first} with an offset of ${stepsOffset}`,
    );
}

const MULTISTEP = ['dpm++2m', 'dpm++3m', 'dpm++sde', 'unipc'] as const;
type Multistep = (typeof MULTISTEP)[number];
const isMultistep = (sampler: SamplerName): sampler is Multistep =>
  (MULTISTEP as readonly SamplerName[]).includes(sampler);

/** The samplers of `noise-steps.ts`, where they are asked for. */
function noiseTrajectory(schedule: Schedule, options: SamplerOptions): Trajectory | null {
  const { sampler, clamp, eta = 0, variance = 'small', dynamicThreshold } = options;
  if (schedule.objective !== 'epsilon' || dynamicThreshold !== undefined) return null;
  const steps = scheduleSteps(schedule, options);
  const all = steps.length === schedule.timesteps && !options.stepsOffset;
  if (sampler !== 'ddim' && !(sampler === 'ancestral' && all)) return null;
  const { kernel, rows } =
    sampler === 'ddim'
      ? ddimNoiseSteps(schedule, steps, eta, clamp)
      : ancestralNoiseSteps(schedule, steps, variance, clamp);
  const times = steps.map(({ t }) => t);
  return {
    ...{ kernel, width: rows[0]!.length, history: 0, threshold: null, start: 1 },
    timesteps: Float64Array.from(times),
    streams: Uint32Array.from(times),
    coefficients: Float32Array.from(rows.flat()),
    scales: new Float64Array(steps.length + 1).fill(1),
  };
}

/** Any sampler as a table. */
function tableTrajectory(schedule: Schedule, options: SamplerOptions): Trajectory {
  const { rows, start, scales } = plan(schedule, options);
  const { clamp = Number.POSITIVE_INFINITY, dynamicThreshold, thresholdMax } = options;
  const threshold =
    dynamicThreshold === undefined
      ? null
      : { quantile: dynamicThreshold, most: thresholdMax ?? LARGEST };
  const byTime = options.sampler === 'ancestral' || options.sampler === 'ddim';
  return {
    kernel: 'tableStep',
    timesteps: Float64Array.from(rows, ({ t }) => Math.fround(t)),
    streams: Uint32Array.from(rows, ({ t }, i) => (byTime ? t : i)),
    coefficients: Float32Array.from(rows.flatMap((row) => packRow(row, clamp))),
    width: ROW_WIDTH,
    history: historyOf(rows),
    threshold,
    start,
    scales: Float64Array.from(scales),
  };
}

interface Plan {
  readonly rows: readonly Row[];
  readonly start: number;
  readonly scales: ArrayLike<number>;
}

const unscaled = (rows: readonly Row[]): Plan => ({
  rows,
  start: 1,
  scales: new Float64Array(rows.length + 1).fill(1),
});

function plan(schedule: Schedule, options: SamplerOptions): Plan {
  const { sampler } = options;
  if (sampler === 'ancestral')
    return unscaled(
      ancestralRows(schedule, scheduleSteps(schedule, options), options.variance ?? 'small'),
    );
  if (sampler === 'ddim')
    return unscaled(ddimRows(schedule, scheduleSteps(schedule, options), options.eta ?? 0));
  if (sampler === 'flow-euler' || isMultistep(sampler)) {
    const moments = solverMoments(schedule, options);
    return unscaled(solve(sampler, { objective: schedule.objective, moments }, options));
  }
  return eulerPlan(schedule, options);
}

/** Euler, its ancestral kin and Heun, whose x diffusers keeps as x_0 + σ̃·ε. */
function eulerPlan(schedule: Schedule, options: SamplerOptions): Plan {
  const { sampler, spacing = 'linspace' } = options;
  const moments = eulerMoments(schedule, momentOptions(schedule, options));
  const walk = { objective: schedule.objective, moments };
  const solvers = { euler: eulerRows, 'euler-a': eulerAncestralRows, heun: heunRows };
  const rows = solvers[sampler as keyof typeof solvers](walk);
  // Where each row leads; Heun's two rows of a step lead to the same moment.
  const reached = sampler === 'heun' ? twice(moments) : moments;
  // diffusers': √(σ̃² + 1) where the first timestep is not the last of the schedule by itself, else σ̃.
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

/** A first s that UniPC's polynomial can begin with, as diffusers does. */
const UNIPC_FIRST = 1 - 1e-6;

function solverMoments(schedule: Schedule, options: SamplerOptions): Moment[] {
  if (schedule.objective !== 'flow')
    return multistepMoments(schedule, momentOptions(schedule, options));
  const { sampler, spacing = 'even', shift = 1 } = options;
  const steps = options.steps ?? defaultSteps(sampler, schedule.timesteps);
  const first = sampler === 'unipc' ? UNIPC_FIRST : 1;
  return flowMoments({ steps, spacing: isFlowSpacing(spacing) ? spacing : 'even', shift, first });
}

function solve(
  sampler: Multistep | 'flow-euler',
  walk: { objective: Schedule['objective']; moments: readonly Moment[] },
  { lowerOrderFinal: lowerFinal = true }: SamplerOptions,
): Row[] {
  switch (sampler) {
    case 'flow-euler':
      return eulerRows(walk);
    case 'dpm++2m':
      return dpmRows(walk, { order: 2, stochastic: false, lowerFinal });
    case 'dpm++3m':
      return dpmRows(walk, { order: 3, stochastic: false, lowerFinal });
    case 'dpm++sde':
      return dpmRows(walk, { order: 2, stochastic: true, lowerFinal });
    case 'unipc':
      return unipcRows(walk, { lowerFinal });
    default:
      return sampler satisfies never;
  }
}

function momentOptions({ timesteps, objective }: Schedule, options: SamplerOptions) {
  const { sampler, stepsOffset = 0, karras = false, lastAlpha = 'one' } = options;
  const { steps = defaultSteps(sampler, timesteps) } = options;
  const { spacing = defaultSpacing(sampler, objective) } = options;
  return { steps, spacing, stepsOffset, karras, lastAlpha };
}

/** The timesteps of `ancestral` and `ddim`, and ᾱ of where each step leads. */
function scheduleSteps(schedule: Schedule, options: SamplerOptions): Step[] {
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
