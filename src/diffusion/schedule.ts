import { UsageError } from '../errors.js';

/*
 * The forward process as tables over t = 0 … T−1: how much signal and how much noise an image holds
 * after t + 1 noising steps (Ho et al. 2020, section 2; Nichol & Dhariwal 2021 for the cosine schedule).
 */

export interface ScheduleOptions {
  /**
   * `linear`: betas evenly from betaStart to betaEnd; `scaled-linear`: their roots evenly (Rombach et al., 2022);
   * `cosine`: Nichol & Dhariwal, which has its own.
   */
  readonly schedule: 'linear' | 'scaled-linear' | 'cosine';
  /** T, at least 1. */
  readonly timesteps: number;
  /** First and last beta of the linear schedules, in (0, 1). */
  readonly betaStart: number;
  readonly betaEnd: number;
}

/** One entry for each timestep. */
export interface ScheduleTables<Table> {
  /** β_t: the variance that step t adds. */
  readonly betas: Table;
  /** α_t = 1 − β_t. */
  readonly alphas: Table;
  /** ᾱ_t = α_0·…·α_t. */
  readonly alphaBar: Table;
  /** ᾱ_{t−1}, 1 at t = 0. */
  readonly alphaBarPrev: Table;
  /** 1/√α_t. */
  readonly sqrtRecipAlphas: Table;
  /** √ᾱ_t: what is left of the image in x_t. */
  readonly sqrtAlphaBar: Table;
  /** √(1−ᾱ_t): the standard deviation of the noise in x_t. */
  readonly sqrtOneMinusAlphaBar: Table;
  /** β_t·(1−ᾱ_{t−1})/(1−ᾱ_t), 0 at t = 0. */
  readonly posteriorVariance: Table;
}

/** The tables as the kernels take them, and in double precision for what is derived from them. */
export interface Schedule extends ScheduleTables<Float32Array> {
  readonly timesteps: number;
  readonly exact: ScheduleTables<Float64Array>;
}

/** Nichol & Dhariwal's offset, which keeps the first betas from vanishing, and their largest beta. */
const COSINE_OFFSET = 0.008;
const COSINE_LARGEST_BETA = 0.999;

/**
 * Tables made once in f64, then rounded to f32.
 * @throws UsageError for timesteps or betas that cannot be.
 */
export function makeSchedule(options: ScheduleOptions): Schedule {
  check(options);
  const exact = tables(betasOf(options));
  const round = (table: Float64Array) => Float32Array.from(table);
  return {
    timesteps: options.timesteps,
    betas: round(exact.betas),
    alphas: round(exact.alphas),
    alphaBar: round(exact.alphaBar),
    alphaBarPrev: round(exact.alphaBarPrev),
    sqrtRecipAlphas: round(exact.sqrtRecipAlphas),
    sqrtAlphaBar: round(exact.sqrtAlphaBar),
    sqrtOneMinusAlphaBar: round(exact.sqrtOneMinusAlphaBar),
    posteriorVariance: round(exact.posteriorVariance),
    exact,
  };
}

function betasOf(options: ScheduleOptions): Float64Array {
  const { schedule, betaStart, betaEnd, timesteps } = options;
  if (schedule === 'cosine') return cosine(timesteps);
  if (schedule === 'linear') return linear(options);
  const roots = { ...options, betaStart: Math.sqrt(betaStart), betaEnd: Math.sqrt(betaEnd) };
  return linear(roots).map((root) => root * root);
}

function check({ schedule, timesteps, betaStart, betaEnd }: ScheduleOptions): void {
  if (!Number.isInteger(timesteps) || timesteps < 1)
    throw new UsageError(`--timesteps: expected a whole number of 1 or more, got ${timesteps}`);
  if (schedule === 'cosine') return;
  if (schedule !== 'linear' && schedule !== 'scaled-linear')
    throw new UsageError(
      `--schedule: expected linear, scaled-linear or cosine, got ${String(schedule)}`,
    );
  if (!(betaStart > 0 && betaStart < 1))
    throw new UsageError(`--beta-start: expected a number between 0 and 1, got ${betaStart}`);
  if (!(betaEnd >= betaStart && betaEnd < 1))
    throw new UsageError(
      `--beta-end: expected a number from --beta-start (${betaStart}) to below 1, got ${betaEnd}`,
    );
}

/** β_t = betaStart + t/(T−1)·(betaEnd − betaStart). */
function linear({ timesteps, betaStart, betaEnd }: ScheduleOptions): Float64Array {
  const stride = timesteps > 1 ? (betaEnd - betaStart) / (timesteps - 1) : 0;
  return Float64Array.from({ length: timesteps }, (_, t) => betaStart + t * stride);
}

/** Eq. 17: ᾱ after n of T steps is cos²((n/T + s)/(1 + s)·π/2), up to a factor; β = 1 − ᾱ_t/ᾱ_{t−1}, at most 0.999. */
function cosine(timesteps: number): Float64Array {
  const remaining = (n: number) =>
    Math.cos((((n / timesteps + COSINE_OFFSET) / (1 + COSINE_OFFSET)) * Math.PI) / 2) ** 2;
  return Float64Array.from({ length: timesteps }, (_, t) =>
    Math.min(1 - remaining(t + 1) / remaining(t), COSINE_LARGEST_BETA),
  );
}

function tables(betas: Float64Array): ScheduleTables<Float64Array> {
  const alphas = betas.map((beta) => 1 - beta);
  let product = 1;
  const alphaBar = alphas.map((alpha) => {
    product *= alpha;
    return product;
  });
  const alphaBarPrev = alphaBar.map((_, t) => alphaBar[t - 1] ?? 1);
  return {
    betas,
    alphas,
    alphaBar,
    alphaBarPrev,
    sqrtRecipAlphas: alphas.map((alpha) => 1 / Math.sqrt(alpha)),
    sqrtAlphaBar: alphaBar.map(Math.sqrt),
    sqrtOneMinusAlphaBar: alphaBar.map((bar) => Math.sqrt(1 - bar)),
    posteriorVariance: betas.map((beta, t) => (beta * (1 - alphaBarPrev[t]!)) / (1 - alphaBar[t]!)),
  };
}
