import type { ReverseKernel } from '../engine/arithmetic.js';
import { UsageError } from '../errors.js';
import type { Schedule, ScheduleTables } from './schedule.js';

/*
 * The reverse process as a list of steps: which timesteps are visited, and the numbers that each step's
 * kernel needs. The numbers are made here in f64, so that a trajectory is a walk along a table.
 */

export interface SamplerOptions {
  /** `ancestral`: Ho et al. 2020, Algorithm 2; `ddim`: Song et al. 2021, eq. 12. */
  readonly sampler: 'ancestral' | 'ddim';
  /** Reverse steps; absent means all T, which is also the only choice of the ancestral sampler. */
  readonly steps?: number | undefined;
  /** DDIM's η in [0, 1], default 0: 0 is deterministic, 1 has the ancestral variance. */
  readonly eta?: number | undefined;
  /** Range that x̂₀ is clamped to, above 0; absent: as it is. */
  readonly clamp?: number | undefined;
  /** σ² of the ancestral sampler: the posterior variance (default) or β_t (Ho et al. 2020, section 3.2). */
  readonly variance?: 'small' | 'large' | undefined;
  /**
   * Which timesteps DDIM visits: `even` (default) begins with T−1 and takes the next visited as the step's target. The others are
   * diffusers' timestep_spacing (Lin et al. 2024, table 2), whose targets are ⌊T/steps⌋ below.
   */
  readonly spacing?: 'even' | 'leading' | 'trailing' | 'linspace' | undefined;
  /** Added to the timesteps of `leading`, default 0. */
  readonly stepsOffset?: number | undefined;
  /** ᾱ after DDIM's last step: 1 (default), or that of t = 0. */
  readonly lastAlpha?: 'one' | 'first' | undefined;
}

export type { ReverseKernel };

export interface Trajectory {
  /** The kernel that takes a step, which fixes what a row of coefficients holds. */
  readonly kernel: ReverseKernel;
  /** Timesteps in the order of visit, falling from T−1. */
  readonly timesteps: Uint32Array;
  /** f32[steps][width]: one row for each visited timestep. */
  readonly coefficients: Float32Array;
  /** Numbers in a row: 3 for pSample, 5 for ddimStep, 7 for clampedStep; the last is σ. */
  readonly width: number;
}

/**
 * The reverse process of a schedule.
 * @throws UsageError for steps or η that the sampler does not have.
 */
export function makeTrajectory(schedule: Schedule, options: SamplerOptions): Trajectory {
  check(schedule.timesteps, options);
  return options.sampler === 'ancestral' ? ancestral(schedule, options) : ddim(schedule, options);
}

function check(
  timesteps: number,
  { sampler, steps = timesteps, eta = 0, clamp = 1, spacing, stepsOffset = 0 }: SamplerOptions,
): void {
  if (sampler !== 'ancestral' && sampler !== 'ddim')
    throw new UsageError(`--sampler: expected ancestral or ddim, got ${String(sampler)}`);
  if (sampler === 'ancestral' && steps !== timesteps)
    throw new UsageError(
      `--sample-steps: the ancestral sampler visits all ${timesteps} timesteps, got ${steps}; ` +
        'use --sampler ddim for fewer',
    );
  if (!Number.isInteger(steps) || steps < 1 || steps > timesteps)
    throw new UsageError(
      `--sample-steps: expected a whole number from 1 to ${timesteps}, got ${steps}`,
    );
  if (!(eta >= 0 && eta <= 1))
    throw new UsageError(`--eta: expected a number from 0 to 1, got ${eta}`);
  if (!(clamp > 0)) throw new UsageError(`--clamp-range: expected a number above 0, got ${clamp}`);
  const last = Math.floor(timesteps / steps) * (steps - 1) + stepsOffset;
  if (spacing === 'leading' && last >= timesteps)
    throw new UsageError(
      `--steps-offset: expected the first timestep below ${timesteps}, got ${last} with an offset of ${stepsOffset}`,
    );
}

/** Rows [1/√α_t, β_t/√(1−ᾱ_t), σ_t], with σ_t 0 at t = 0; where x̂₀ is clamped, those of its posterior mean. */
function ancestral(
  { timesteps, exact }: Schedule,
  { clamp, variance }: SamplerOptions,
): Trajectory {
  const visited = evenly(timesteps, timesteps);
  const sigma = (t: number) =>
    t === 0 ? 0 : Math.sqrt((variance === 'large' ? exact.betas : exact.posteriorVariance)[t]!);
  if (clamp !== undefined)
    return clamped(visited, clamp, exact, (t) => ({ ...posterior(exact, t), sigma: sigma(t) }));
  return trajectory('pSample', visited, (t) => [
    exact.sqrtRecipAlphas[t]!,
    exact.betas[t]! / exact.sqrtOneMinusAlphaBar[t]!,
    sigma(t),
  ]);
}

/** Of x_t and of x̂₀ in the mean of q(x_{t−1}|x_t, x_0): Ho et al. (2020), eq. 7. */
function posterior(exact: ScheduleTables<Float64Array>, t: number) {
  const remaining = 1 - exact.alphaBar[t]!;
  const before = exact.alphaBarPrev[t]!;
  return {
    x: (Math.sqrt(exact.alphas[t]!) * (1 - before)) / remaining,
    x0: (Math.sqrt(before) * exact.betas[t]!) / remaining,
    epsilon: 0,
  };
}

/** Rows [1/√ᾱ_t, √(1−ᾱ_t), √ᾱ_s, √(1−ᾱ_s−σ²), σ], where s is the timestep that the step leads to. */
function ddim({ timesteps, exact }: Schedule, options: SamplerOptions): Trajectory {
  const { steps = timesteps, eta = 0, spacing = 'even', stepsOffset = 0, clamp } = options;
  const visited = SPACINGS[spacing](timesteps, steps, stepsOffset);
  const last = options.lastAlpha === 'first' ? exact.alphaBar[0]! : 1;
  const target = (t: number, i: number) => {
    const next = spacing === 'even' ? visited[i + 1] : t - Math.floor(timesteps / steps);
    return next === undefined || next < 0 ? last : exact.alphaBar[next]!;
  };
  if (clamp === undefined)
    return trajectory('ddimStep', visited, (t, i) => ddimRow(exact, t, target(t, i), eta));
  return clamped(visited, clamp, exact, (t, i) => {
    const [, , x0, epsilon, sigma] = ddimRow(exact, t, target(t, i), eta);
    return { x: 0, x0: x0!, epsilon: epsilon!, sigma: sigma! };
  });
}

/** σ = η·√((1−ᾱ_s)/(1−ᾱ_t))·√(1−ᾱ_t/ᾱ_s), Song et al. eq. 16; `target` is ᾱ_s. */
function ddimRow(
  exact: ScheduleTables<Float64Array>,
  t: number,
  target: number,
  eta: number,
): number[] {
  const bar = exact.alphaBar[t]!;
  const variance = ((eta ** 2 * (1 - target)) / (1 - bar)) * (1 - bar / target);
  return [
    1 / Math.sqrt(bar),
    Math.sqrt(1 - bar),
    Math.sqrt(target),
    Math.sqrt(Math.max(0, 1 - target - variance)),
    Math.sqrt(variance),
  ];
}

/** Of what a step that clamps is made: x_t, x̂₀, ε̂ and noise. */
interface Weights {
  readonly x: number;
  readonly x0: number;
  readonly epsilon: number;
  readonly sigma: number;
}

/** Rows [1/√ᾱ_t, −√(1−ᾱ_t)/√ᾱ_t, range, of x, of x̂₀, of ε̂, σ]. */
function clamped(
  visited: Uint32Array,
  range: number,
  exact: ScheduleTables<Float64Array>,
  weights: (t: number, step: number) => Weights,
): Trajectory {
  return trajectory('clampedStep', visited, (t, step) => {
    const recip = 1 / Math.sqrt(exact.alphaBar[t]!);
    const { x, x0, epsilon, sigma } = weights(t, step);
    return [recip, -recip * exact.sqrtOneMinusAlphaBar[t]!, range, x, x0, epsilon, sigma];
  });
}

function trajectory(
  kernel: ReverseKernel,
  timesteps: Uint32Array,
  row: (t: number, step: number) => readonly number[],
): Trajectory {
  const rows = Array.from(timesteps, row);
  const coefficients = Float32Array.from(rows.flat());
  return { kernel, timesteps, coefficients, width: rows[0]!.length };
}

/** `steps` of the timesteps, evenly spaced and falling; the first is T−1, where sampling begins. */
function evenly(timesteps: number, steps: number): Uint32Array {
  return Uint32Array.from(
    { length: steps },
    (_, i) => Math.ceil(((steps - i) * timesteps) / steps) - 1,
  );
}

/** Timesteps in the order of visit. Halves are rounded to even, as NumPy does. */
const SPACINGS: Readonly<
  Record<
    NonNullable<SamplerOptions['spacing']>,
    (timesteps: number, steps: number, offset: number) => Uint32Array
  >
> = {
  even: evenly,
  leading: (timesteps, steps, offset) => {
    const ratio = Math.floor(timesteps / steps);
    return Uint32Array.from({ length: steps }, (_, i) => (steps - 1 - i) * ratio + offset);
  },
  trailing: (timesteps, steps) =>
    Uint32Array.from(
      { length: steps },
      (_, i) => roundHalfEven(timesteps - i * (timesteps / steps)) - 1,
    ),
  linspace: (timesteps, steps) =>
    Uint32Array.from({ length: steps }, (_, i) =>
      steps === 1 ? 0 : roundHalfEven((steps - 1 - i) * ((timesteps - 1) / (steps - 1))),
    ),
};

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below + (below % 2);
  return rest < 0.5 ? below : below + 1;
}
