/*
 * What the network predicts, and the predicted image that follows from it. With x_t = α·x_0 + σ·ε:
 * `epsilon`: the noise ε (Ho et al. 2020); `x0`: the image; `v`: α·ε − σ·x_0 (Salimans & Ho 2022);
 * `flow`: ε − x_0, the velocity of the straight path with α = 1 − s and σ = s (Liu et al. 2023; Lipman et al. 2023).
 * diffusers calls the first three epsilon, sample and v_prediction.
 */

export const OBJECTIVES = ['epsilon', 'x0', 'v', 'flow'] as const;

export type Objective = (typeof OBJECTIVES)[number];

/** For `flow` the network's timestep is t = 1000·s, as in diffusers, whatever the schedule's T. */
export const FLOW_TIMES = 1000;

/** The shares of the image and of the noise in x_t = α·x_0 + σ·ε. */
export interface Signal {
  readonly alpha: number;
  readonly sigma: number;
}

/** Weights of x_t and of the network's output. */
export interface Mix {
  readonly x: number;
  readonly output: number;
}

/** Coefficients for x̂_0. For `epsilon` α must not be 0, for `flow` α + σ is 1. */
export function imageFrom(objective: Objective, { alpha, sigma }: Signal): Mix {
  switch (objective) {
    case 'epsilon':
      return { x: 1 / alpha, output: -sigma / alpha };
    case 'x0':
      return { x: 0, output: 1 };
    case 'v': {
      const norm = alpha ** 2 + sigma ** 2;
      return { x: alpha / norm, output: -sigma / norm };
    }
    case 'flow':
      return { x: 1 / (alpha + sigma), output: -sigma / (alpha + sigma) };
    default:
      return objective satisfies never;
  }
}

/** Coefficients for ε̂. For `x0` σ must not be 0. */
export function noiseFrom(objective: Objective, { alpha, sigma }: Signal): Mix {
  switch (objective) {
    case 'epsilon':
      return { x: 0, output: 1 };
    case 'x0':
      return { x: 1 / sigma, output: -alpha / sigma };
    case 'v': {
      const norm = alpha ** 2 + sigma ** 2;
      return { x: sigma / norm, output: alpha / norm };
    }
    case 'flow':
      return { x: 1 / (alpha + sigma), output: alpha / (alpha + sigma) };
    default:
      return objective satisfies never;
  }
}
