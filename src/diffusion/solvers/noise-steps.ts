import type { Schedule, ScheduleTables } from '../schedule.js';
import type { Step } from './posterior.js';

/*
 * Ancestral sampling over every timestep, and DDIM, for networks that predict noise: the order of their operations determines
 * the bits of a seed, so they keep their own kernels and formulas.
 */

/** The rows of a trajectory, and their kernel. */
export interface Rows {
  readonly kernel: 'pSample' | 'ddimStep' | 'tableStep';
  readonly rows: readonly (readonly number[])[];
}

/** Rows [1/√α_t, β_t/√(1−ᾱ_t), σ_t], with σ_t 0 at t = 0; if x̂₀ is clamped, those of its posterior mean. */
export function ancestralNoiseSteps(
  { exact }: Schedule,
  steps: readonly Step[],
  variance: 'small' | 'large',
  clamp: number | undefined,
): Rows {
  const sigma = (t: number) =>
    t === 0 ? 0 : Math.sqrt((variance === 'large' ? exact.betas : exact.posteriorVariance)[t]!);
  if (clamp !== undefined)
    return clamped(steps, clamp, exact, ({ t }) => ({ ...posterior(exact, t), sigma: sigma(t) }));
  return {
    kernel: 'pSample',
    rows: steps.map(({ t }) => [
      exact.sqrtRecipAlphas[t]!,
      exact.betas[t]! / exact.sqrtOneMinusAlphaBar[t]!,
      sigma(t),
    ]),
  };
}

/** Coefficients of x_t and x̂₀ in the mean of q(x_{t−1}|x_t, x_0): Ho et al. (2020), eq. 7. */
function posterior(exact: ScheduleTables<Float64Array>, t: number) {
  const remaining = 1 - exact.alphaBar[t]!;
  const before = exact.alphaBarPrev[t]!;
  return {
    x: (Math.sqrt(exact.alphas[t]!) * (1 - before)) / remaining,
    x0: (Math.sqrt(before) * exact.betas[t]!) / remaining,
    epsilon: 0,
  };
}

/** Rows [1/√ᾱ_t, √(1−ᾱ_t), √ᾱ_s, √(1−ᾱ_s−σ²), σ], where s is the target timestep. */
export function ddimNoiseSteps(
  { exact }: Schedule,
  steps: readonly Step[],
  eta: number,
  clamp: number | undefined,
): Rows {
  if (clamp === undefined)
    return { kernel: 'ddimStep', rows: steps.map((step) => ddimRow(exact, step, eta)) };
  return clamped(steps, clamp, exact, (step) => {
    const [, , x0, epsilon, sigma] = ddimRow(exact, step, eta);
    return { x: 0, x0: x0!, epsilon: epsilon!, sigma: sigma! };
  });
}

/** σ = η·√((1−ᾱ_s)/(1−ᾱ_t))·√(1−ᾱ_t/ᾱ_s), Song et al. (2021), eq. 16; `target` is ᾱ_s. */
function ddimRow(exact: ScheduleTables<Float64Array>, { t, target }: Step, eta: number): number[] {
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

/** Coefficients of a step that clamps: of x_t, x̂₀, ε̂ and noise. */
interface Weights {
  readonly x: number;
  readonly x0: number;
  readonly epsilon: number;
  readonly sigma: number;
}

/** Rows of tableStep. */
function clamped(
  steps: readonly Step[],
  range: number,
  exact: ScheduleTables<Float64Array>,
  weights: (step: Step) => Weights,
): Rows {
  const rows = steps.map((step) => {
    const recip = 1 / Math.sqrt(exact.alphaBar[step.t]!);
    const { x, x0, epsilon, sigma } = weights(step);
    const noise = -recip * exact.sqrtOneMinusAlphaBar[step.t]!;
    return [recip, noise, range, x, x0, epsilon, 0, 0, 0, sigma];
  });
  return { kernel: 'tableStep', rows };
}
