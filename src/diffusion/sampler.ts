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
}

export interface Trajectory {
  /** The kernel that takes a step, which fixes what a row of coefficients holds. */
  readonly kernel: 'pSample' | 'ddimStep';
  /** Timesteps in the order of visit, falling from T−1. */
  readonly timesteps: Uint32Array;
  /** f32[steps][width]: one row for each visited timestep. */
  readonly coefficients: Float32Array;
  /** Numbers in a row: 3 for pSample, 5 for ddimStep. */
  readonly width: number;
}

/**
 * The reverse process of a schedule.
 * @throws UsageError for steps or η that the sampler does not have.
 */
export function makeTrajectory(schedule: Schedule, options: SamplerOptions): Trajectory {
  check(schedule.timesteps, options);
  return options.sampler === 'ancestral' ? ancestral(schedule) : ddim(schedule, options);
}

function check(timesteps: number, { sampler, steps = timesteps, eta = 0 }: SamplerOptions): void {
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
}

/** Rows [1/√α_t, β_t/√(1−ᾱ_t), σ_t] with σ_t² the posterior variance, 0 at t = 0. */
function ancestral({ timesteps, exact }: Schedule): Trajectory {
  const visited = evenly(timesteps, timesteps);
  const rows = Array.from(visited, (t) => [
    exact.sqrtRecipAlphas[t]!,
    exact.betas[t]! / exact.sqrtOneMinusAlphaBar[t]!,
    Math.sqrt(exact.posteriorVariance[t]!),
  ]);
  return {
    kernel: 'pSample',
    timesteps: visited,
    coefficients: Float32Array.from(rows.flat()),
    width: 3,
  };
}

/** Rows [1/√ᾱ_t, √(1−ᾱ_t), √ᾱ_s, √(1−ᾱ_s−σ²), σ], where s is the next timestep visited. */
function ddim({ timesteps, exact }: Schedule, { steps = timesteps, eta = 0 }: SamplerOptions) {
  const visited = evenly(timesteps, steps);
  const rows = Array.from(visited, (t, i) => ddimRow(exact, t, visited[i + 1], eta));
  return {
    kernel: 'ddimStep',
    timesteps: visited,
    coefficients: Float32Array.from(rows.flat()),
    width: 5,
  } as const;
}

/** σ = η·√((1−ᾱ_s)/(1−ᾱ_t))·√(1−ᾱ_t/ᾱ_s), Song et al. eq. 16; after the last step ᾱ_s is 1. */
function ddimRow(
  exact: ScheduleTables<Float64Array>,
  t: number,
  next: number | undefined,
  eta: number,
): number[] {
  const bar = exact.alphaBar[t]!;
  const target = next === undefined ? 1 : exact.alphaBar[next]!;
  const variance = ((eta ** 2 * (1 - target)) / (1 - bar)) * (1 - bar / target);
  return [
    1 / Math.sqrt(bar),
    Math.sqrt(1 - bar),
    Math.sqrt(target),
    Math.sqrt(Math.max(0, 1 - target - variance)),
    Math.sqrt(variance),
  ];
}

/** `steps` of the timesteps, evenly spaced and falling; the first is T−1, where sampling begins. */
function evenly(timesteps: number, steps: number): Uint32Array {
  return Uint32Array.from(
    { length: steps },
    (_, i) => Math.ceil(((steps - i) * timesteps) / steps) - 1,
  );
}
