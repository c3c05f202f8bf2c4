/*
 * Which timesteps are visited, in the order of visit (diffusers' three are in table 2 of Lin et al. 2024). Halves are rounded to
 * even, as in NumPy.
 */

import { UsageError } from '../errors.js';

/** `even` starts at T−1; the others are diffusers' timestep_spacing. */
export const SPACINGS = ['even', 'leading', 'trailing', 'linspace'] as const;

export type Spacing = (typeof SPACINGS)[number];

export interface SpacingOptions {
  readonly timesteps: number;
  readonly steps: number;
  /** Added to the timesteps of `leading`. */
  readonly offset: number;
  /** `linspace` without rounding, as diffusers' Euler and Heun use it; by default rounded. */
  readonly between?: boolean;
  /** `leading` and `linspace` with one more step but without the last, as diffusers' multistep solvers use them. */
  readonly open?: boolean;
}

/**
 * `steps` timesteps, decreasing.
 * @throws UsageError if two steps of a multistep solver would visit the same timestep: nothing lies between them
 */
export function spaced(spacing: Spacing, options: SpacingOptions): number[] {
  const visited = visitedBy(spacing, options);
  const { timesteps, steps, open = false } = options;
  if (open && new Set(visited).size < steps)
    throw new UsageError(
      `--sample-steps: expected fewer steps, so that each visits another of the ${timesteps} timesteps (--spacing ${spacing}), got ${steps}`,
    );
  return visited;
}

function visitedBy(spacing: Spacing, options: SpacingOptions): number[] {
  const { timesteps, steps, offset, between = false, open = false } = options;
  const parts = open ? steps + 1 : steps;
  const visit = (t: (i: number) => number) => Array.from({ length: steps }, (_, i) => t(i));
  switch (spacing) {
    case 'even':
      return visit((i) => Math.ceil(((steps - i) * timesteps) / steps) - 1);
    case 'leading': {
      const ratio = Math.floor(timesteps / parts);
      return visit((i) => (parts - 1 - i) * ratio + offset);
    }
    case 'trailing':
      return visit((i) => roundHalfEven(timesteps - i * (timesteps / steps)) - 1);
    case 'linspace':
      return visit((i) => {
        const t = parts === 1 ? 0 : (parts - 1 - i) * ((timesteps - 1) / (parts - 1));
        return between ? t : roundHalfEven(t);
      });
    default:
      return spacing satisfies never;
  }
}

export function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below + (below % 2);
  return rest < 0.5 ? below : below + 1;
}
