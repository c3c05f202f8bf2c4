import type { ReverseKernel } from '../engine/reverse-kernel.js';
import { UsageError } from '../errors.js';
import { checkSampler } from './check-sampler.js';
import { type CustomSampler, customRows } from './custom-sampler.js';
import type { Signal } from './objective.js';
import {
  levelsOfSteps,
  planRows,
  type SamplerRows,
  scheduleSteps,
  skippedSteps,
} from './plan-rows.js';
import { beginsWithPicture, type Redraw } from './redraw.js';
import { resampled } from './resampled.js';
import { defaultSteps, type SamplerName } from './samplers.js';
import type { Schedule } from './schedule.js';
import { ancestralNoiseSteps, ddimNoiseSteps } from './solvers/noise-steps.js';
import type { Spacing } from './spacing.js';
import { type History, historyOf, packRow, ROW_WIDTH } from './table.js';

/*
 * The reverse process as a list of steps: which timesteps are visited, and the coefficients for each step's
 * kernel. They are computed here in f64, so that a trajectory is a walk along a table.
 */

export interface SamplerOptions {
  /** Method of the reverse process. Default `ancestral`, for flow `flow-euler`, or the model's own. E.g. `sampler: 'unipc'`. */
  readonly sampler: SamplerName;
  /** A custom sampler, instead of a built-in one. */
  readonly custom?: CustomSampler | undefined;
  /** Reverse steps; by default what suits the sampler. `heun` evaluates the network twice in each but the last. */
  readonly steps?: number | undefined;
  /** DDIM's η in [0, 1], default 0: 0 is deterministic, 1 has the ancestral variance. */
  readonly eta?: number | undefined;
  /** Range that x̂₀ is clamped to, above 0; by default not clamped. */
  readonly clamp?: number | undefined;
  /**
   * Clamps each image's x̂₀ to this quantile of its |x̂₀|, in (0, 1] (Saharia et al. 2022, section 2.3). Default not clamped.
   * E.g. `dynamicThreshold: 0.995`.
   */
  readonly dynamicThreshold?: number | undefined;
  /** Upper limit of that quantile. Default none. E.g. `thresholdMax: 1.5`. */
  readonly thresholdMax?: number | undefined;
  /**
   * σ² of the ancestral sampler: the posterior variance or β_t (Ho et al. 2020, section 3.2). Default `small`.
   * E.g. `variance: 'large'`.
   */
  readonly variance?: 'small' | 'large' | undefined;
  /**
   * Which timesteps are visited: with `even` the first is T−1, and each step leads to the next visited timestep. The others are
   * diffusers' timestep_spacing (Lin et al. 2024, table 2); DDIM then steps down by ⌊T/steps⌋. Default `even` for
   * `ancestral`, `ddim` and `flow`, else `linspace`. E.g. `spacing: 'trailing'`.
   */
  readonly spacing?: Spacing | undefined;
  /** Offset of the timesteps of `leading`. Default 0. E.g. `stepsOffset: 1`. */
  readonly stepsOffset?: number | undefined;
  /** ᾱ after the last step: 1, or that of t = 0. Default `one`. E.g. `lastAlpha: 'first'`. */
  readonly lastAlpha?: 'one' | 'first' | undefined;
  /** Use the noise levels of Karras et al. 2022, eq. 5, instead of the schedule's. Default false. E.g. `karras: true`. */
  readonly karras?: boolean | undefined;
  /** Lower the order in the last steps of a solver with fewer than 15. Default true. E.g. `lowerOrderFinal: false`. */
  readonly lowerOrderFinal?: boolean | undefined;
  /** Order of `unipc`: the number of x̂₀ that a step uses, from 1 to 3. Default 2. E.g. `order: 3`. */
  readonly order?: 1 | 2 | 3 | undefined;
  /** B(h) of `unipc` (Zhao et al. 2023): −h, or e^{−h} − 1. Default `bh2`. E.g. `solverType: 'bh1'`. */
  readonly solverType?: 'bh1' | 'bh2' | undefined;
  /** For `flow`: values above 1 spend more steps at high noise. Default 1. E.g. `shift: 3`. */
  readonly shift?: number | undefined;
}

export type { ReverseKernel };

export interface Trajectory {
  /** The kernel that takes a step, which determines the columns of the coefficients. */
  readonly kernel: ReverseKernel;
  /** The network's timesteps, in the order of visit: any f32 numbers. */
  readonly timesteps: Float64Array;
  /** The stream of each step's noise: u32, the timestep if it is whole, else the step's number. */
  readonly streams: Uint32Array;
  /** f32[steps][width]: one row per visited timestep. */
  readonly coefficients: Float32Array;
  /** Numbers per row: 3 for pSample, 5 for ddimStep, 10 for tableStep; the last is that of z. */
  readonly width: number;
  /** Number of earlier x̂₀ that a row of tableStep reads. */
  readonly history: History;
  /** Dynamic thresholding, with tableStep. */
  readonly threshold: Threshold | null;
  /** Standard deviation of the noise at the start, x_T's where no picture is redrawn. */
  readonly start: number;
  /** Signal and noise of x before each step and after it; null for a custom sampler, which does not tell. */
  readonly levels: readonly Level[] | null;
  /** The state of the corresponding diffusers scheduler in units of x, before the first step and after each. */
  readonly scales: Float64Array;
}

/** The shares of image and noise in x before a step, and after it. */
export interface Level {
  readonly from: Signal;
  readonly to: Signal;
}

/** Clamps each image to a quantile of its |x̂₀|, and divides by it. */
export interface Threshold {
  /** In (0, 1]. */
  readonly quantile: number;
  /** Upper limit of the clamp. */
  readonly most: number;
}

/** No limit: the largest f32, since a program's numbers are finite. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

/**
 * The reverse process of a schedule, or the part of it that redraws a picture.
 * @throws UsageError for settings that the sampler or the objective does not support
 */
export function makeTrajectory(
  schedule: Schedule,
  options: SamplerOptions,
  redraw: Redraw | null = null,
): Trajectory {
  const given = dropUndefined(options);
  checkSampler(schedule, given);
  if (given.custom) {
    if (!redraw) return customTrajectory(schedule, given, given.custom);
    throw new UsageError('--from: belongs to built-in samplers, got a custom one');
  }
  const skipped = redraw ? skippedSteps(schedule, given, redraw.strength) : 0;
  const whole =
    noiseTrajectory(schedule, given, skipped) ?? tableTrajectory(schedule, given, skipped);
  return redraw ? resampled(beginning(whole, redraw), given.sampler, redraw.resample) : whole;
}

/** The trajectory with the noise of its first moment at the start, if it begins with a picture. */
const beginning = (whole: Trajectory, redraw: Redraw): Trajectory =>
  beginsWithPicture(redraw) ? { ...whole, start: whole.levels![0]!.from.sigma } : whole;

const dropUndefined = (options: SamplerOptions): SamplerOptions =>
  Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as unknown as SamplerOptions;

/** The trajectory of a sampler in `noise-steps.ts`, if it is requested. */
function noiseTrajectory(
  schedule: Schedule,
  options: SamplerOptions,
  skipped: number,
): Trajectory | null {
  const { sampler, clamp, eta = 0, variance = 'small', dynamicThreshold } = options;
  if (schedule.objective !== 'epsilon' || dynamicThreshold !== undefined) return null;
  const steps = scheduleSteps(schedule, options, skipped);
  const all = steps.length + skipped === schedule.timesteps && !options.stepsOffset;
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
    levels: levelsOfSteps(schedule, steps),
  };
}

/** The trajectory of any sampler as a table. */
function tableTrajectory(schedule: Schedule, options: SamplerOptions, skipped: number): Trajectory {
  const byTime = options.sampler === 'ancestral' || options.sampler === 'ddim';
  return trajectoryOf(planRows(schedule, options, skipped), options, byTime);
}

function customTrajectory(
  schedule: Schedule,
  options: SamplerOptions,
  custom: CustomSampler,
): Trajectory {
  const steps = options.steps ?? defaultSteps(options.sampler, schedule);
  const { rows, start } = customRows(schedule, custom, steps);
  const scales = rows.map(() => 1).concat(1);
  return trajectoryOf({ rows, start, scales, levels: null }, options, false);
}

/** @param byTime whether a step's noise belongs to its timestep, which is whole and visited once, or to the step's number */
function trajectoryOf(
  { rows, start, scales, levels }: SamplerRows,
  options: SamplerOptions,
  byTime: boolean,
): Trajectory {
  const { clamp = Number.POSITIVE_INFINITY, dynamicThreshold, thresholdMax } = options;
  const threshold =
    dynamicThreshold === undefined
      ? null
      : { quantile: dynamicThreshold, most: thresholdMax ?? LARGEST };
  return {
    kernel: 'tableStep',
    timesteps: Float64Array.from(rows, ({ t }) => Math.fround(t)),
    streams: Uint32Array.from(rows, ({ t }, i) => (byTime ? t : i)),
    coefficients: Float32Array.from(rows.flatMap((row) => packRow(row, clamp))),
    width: ROW_WIDTH,
    history: historyOf(rows),
    threshold,
    ...{ start, levels },
    scales: Float64Array.from(scales),
  };
}
