import { imageFrom, noiseFrom, type Signal } from '../objective.js';
import type { Schedule } from '../schedule.js';
import type { Row } from '../table.js';

/*
 * The samplers along the schedule's own timesteps: ancestral (Ho et al. 2020) and DDIM (Song et al. 2021). They only need ᾱ of
 * each step's timestep and of its target.
 */

/** A step from timestep t to the point where ᾱ is `target`. */
export interface Step {
  readonly t: number;
  readonly target: number;
}

/** The shares of image and noise at an ᾱ. */
export const signal = (bar: number): Signal => ({
  alpha: Math.sqrt(bar),
  sigma: Math.sqrt(1 - bar),
});

/**
 * Ho et al. eq. 7 with σ² either the posterior variance (`small`) or β (`large`), for a schedule of only the visited
 * timesteps: its α_t is ᾱ_t/ᾱ_s. The last step adds no noise, unless `noisyEnd` asks for what diffusers does: β from a last
 * timestep above 0.
 */
export function ancestralRows(
  { exact, objective }: Schedule,
  steps: readonly Step[],
  { variance, noisyEnd }: { variance: 'small' | 'large'; noisyEnd: boolean },
): Row[] {
  return steps.map(({ t, target }, i) => {
    const bar = exact.alphaBar[t]!;
    const alpha = bar / target;
    const beta = 1 - alpha;
    const posterior = ((1 - target) / (1 - bar)) * beta;
    const noisy = i < steps.length - 1 || (noisyEnd && t > 0);
    return {
      t,
      foresees: imageFrom(objective, signal(bar)),
      x: (Math.sqrt(alpha) * (1 - target)) / (1 - bar),
      x0: (Math.sqrt(target) * beta) / (1 - bar),
      noise: noisy ? Math.sqrt(variance === 'large' ? beta : posterior) : 0,
    };
  });
}

/** Song et al. eq. 12 and 16. The direction is that of the output before clamping. */
export function ddimRows(
  { exact, objective }: Schedule,
  steps: readonly Step[],
  eta: number,
): Row[] {
  return steps.map(({ t, target }) => {
    const bar = exact.alphaBar[t]!;
    const variance = ((eta ** 2 * (1 - target)) / (1 - bar)) * (1 - bar / target);
    const direction = Math.sqrt(Math.max(0, 1 - target - variance));
    const noise = noiseFrom(objective, signal(bar));
    return {
      t,
      foresees: imageFrom(objective, signal(bar)),
      x: direction * noise.x,
      x0: Math.sqrt(target),
      output: direction * noise.output,
      noise: Math.sqrt(variance),
    };
  });
}
