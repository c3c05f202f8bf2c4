import { UsageError } from '../errors.js';
import { OBJECTIVES, type Objective } from './objective.js';

/*
 * The forward process as tables over t = 0 … T−1: the shares of signal and noise in an image
 * after t + 1 noising steps (Ho et al. 2020, section 2; Nichol & Dhariwal 2021 for the cosine schedule; Lin et al. 2024 for
 * a last step of pure noise).
 */

export interface ScheduleOptions {
  /**
   * `linear`: betas evenly spaced from betaStart to betaEnd; `scaled-linear`: their roots evenly spaced (Rombach et al., 2022);
   * `cosine`: Nichol & Dhariwal, with its own betas; `sigmoid`: growing like a sigmoid from −6 to 6 (Xu et al., 2022). E.g. `schedule: 'linear'`.
   */
  readonly schedule: (typeof SCHEDULES)[number];
  /** T, at least 1. E.g. `timesteps: 300`. */
  readonly timesteps: number;
  /** First beta of all schedules but cosine, in (0, 1). E.g. `betaStart: 1e-4`. */
  readonly betaStart: number;
  /** Last beta of all schedules but cosine. E.g. `betaEnd: 0.02`. */
  readonly betaEnd: number;
  /** Multiply first and last beta by 1000/T, so that any T ends with as much noise. Default false. E.g. `scaleBetas: true`. */
  readonly scaleBetas?: boolean;
  /**
   * √ᾱ shifted and scaled so that the last is 0: x_T is pure noise (Lin et al. 2024, Algorithm 1). Default false.
   * E.g. `zeroTerminalSnr: true`.
   */
  readonly zeroTerminalSnr?: boolean;
  /** What the network predicts. Default `epsilon`. E.g. `objective: 'v'`. */
  readonly objective?: Objective;
}

export const SCHEDULES = ['linear', 'scaled-linear', 'cosine', 'sigmoid'] as const;

/** One entry per timestep. */
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
  /** √ᾱ_t: the share of the image in x_t. */
  readonly sqrtAlphaBar: Table;
  /** √(1−ᾱ_t): the standard deviation of the noise in x_t. */
  readonly sqrtOneMinusAlphaBar: Table;
  /** β_t·(1−ᾱ_{t−1})/(1−ᾱ_t), 0 at t = 0. */
  readonly posteriorVariance: Table;
}

/** The tables in f32 for the kernels, and in f64 to derive others from. */
export interface Schedule extends ScheduleTables<Float32Array> {
  readonly timesteps: number;
  /** Whose betas they are. */
  readonly schedule: ScheduleOptions['schedule'];
  /** The objective of the network. */
  readonly objective: Objective;
  readonly exact: ScheduleTables<Float64Array>;
}

/** Nichol & Dhariwal's offset, which keeps the first betas from vanishing, and their largest beta. */
const COSINE_OFFSET = 0.008;
const COSINE_LARGEST_BETA = 0.999;

/**
 * Computes the tables in f64, then rounds them to f32.
 * @throws UsageError for invalid timesteps or betas
 */
export function makeSchedule(options: ScheduleOptions): Schedule {
  checkSchedule(options);
  const betas = betasOf(options);
  const exact = tables(options.zeroTerminalSnr ? zeroTerminalSnr(betas) : betas);
  const round = (table: Float64Array) => Float32Array.from(table);
  return {
    timesteps: options.timesteps,
    schedule: options.schedule,
    objective: options.objective ?? 'epsilon',
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
  const { schedule, timesteps } = options;
  const scale = betaScale(options);
  const [start, end] = [scale * options.betaStart, scale * options.betaEnd];
  switch (schedule) {
    case 'cosine':
      return cosine(timesteps);
    case 'linear':
      return linear(start, end, timesteps);
    case 'scaled-linear':
      return linear(Math.sqrt(start), Math.sqrt(end), timesteps).map((root) => root * root);
    case 'sigmoid':
      return linear(-6, 6, timesteps).map((x) => start + (end - start) / (1 + Math.exp(-x)));
    default:
      return schedule satisfies never;
  }
}

/** The T for which `scaleBetas` changes nothing (Nichol & Dhariwal 2021, section 2.3). */
const SCALED_TIMESTEPS = 1000;

/** What `scaleBetas` multiplies the betas by. */
export const betaScale = ({
  scaleBetas,
  timesteps,
}: Pick<ScheduleOptions, 'scaleBetas' | 'timesteps'>): number =>
  scaleBetas ? SCALED_TIMESTEPS / timesteps : 1;

/** @throws UsageError for invalid timesteps or betas, and for conflicting settings */
export function checkSchedule(options: ScheduleOptions): void {
  const { schedule, timesteps, betaStart, betaEnd, objective = 'epsilon' } = options;
  if (!Number.isInteger(timesteps) || timesteps < 1)
    throw new UsageError(`--timesteps: expected a whole number of 1 or more, got ${timesteps}`);
  if (!OBJECTIVES.includes(objective))
    throw new UsageError(
      `--objective: expected one of ${OBJECTIVES.join(', ')}, got ${String(objective)}`,
    );
  if (!SCHEDULES.includes(schedule))
    throw new UsageError(
      `--schedule: expected one of ${SCHEDULES.join(', ')}, got ${String(schedule)}`,
    );
  checkZeroTerminalSnr(options);
  if (schedule === 'cosine') {
    if (options.scaleBetas)
      throw new UsageError('--scale-betas: the cosine schedule has its own betas');
    return;
  }
  if (!(betaStart > 0 && betaStart < 1))
    throw new UsageError(`--beta-start: expected a number between 0 and 1, got ${betaStart}`);
  if (!(betaEnd >= betaStart && betaEnd < 1))
    throw new UsageError(
      `--beta-end: expected a number from --beta-start (${betaStart}) to below 1, got ${betaEnd}`,
    );
  const last = betaScale(options) * betaEnd;
  if (!(last < 1))
    throw new UsageError(
      `--scale-betas: expected a last beta below 1, got ${last} with --timesteps ${timesteps}`,
    );
}

function checkZeroTerminalSnr({ zeroTerminalSnr, objective, timesteps }: ScheduleOptions): void {
  if (!zeroTerminalSnr) return;
  if (objective === undefined || objective === 'epsilon')
    throw new UsageError(
      '--zero-terminal-snr: a network that predicts noise learns nothing about the image from pure noise; use --objective v or x0',
    );
  if (objective === 'flow')
    throw new UsageError('--zero-terminal-snr: --objective flow already ends with pure noise');
  if (timesteps < 2)
    throw new UsageError(`--zero-terminal-snr: expected 2 timesteps or more, got ${timesteps}`);
}

/** start + t/(T−1)·(end − start). */
function linear(start: number, end: number, timesteps: number): Float64Array {
  const stride = timesteps > 1 ? (end - start) / (timesteps - 1) : 0;
  return Float64Array.from({ length: timesteps }, (_, t) => start + t * stride);
}

/** Betas whose √ᾱ start like the given ones and end at 0. */
function zeroTerminalSnr(betas: Float64Array): Float64Array {
  const roots = tables(betas).sqrtAlphaBar;
  const [first, last] = [roots[0]!, roots.at(-1)!];
  const shifted = roots.map((root) => ((root - last) * first) / (first - last));
  return shifted.map((root, t) => 1 - (root / (t === 0 ? 1 : shifted[t - 1]!)) ** 2);
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
