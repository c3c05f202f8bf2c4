import { lossWeightAt } from './loss-weights.js';
import { FLOW_TIMES } from './objective.js';
import type { CounterRandom, Purpose } from './random.js';
import type { Schedule } from './schedule.js';

/*
 * How training mixes an image and its noise: x_t = α·x_0 + σ·ε, and the network's target, which is also a mixture of
 * the two. Both take a few numbers per image.
 */

/** How noisy images are: timesteps of the schedule, or for `flow` s in [0, 1). */
export type Positions = Int32Array | Float32Array;

/** How timesteps are drawn: uniformly, or as sigmoids of normals, mostly in the middle (Esser et al., 2024, section 3.1). */
export type TimeSampling = 'uniform' | 'logit-normal';

/** Weights of the loss: γ of min-SNR (Hang et al., 2023), a table (see loss-weights.ts), or null for 1. */
export type Weights = number | readonly number[] | null;

/** One number per image in each array. */
export interface Mixture {
  /** The network's timesteps: those of the schedule, or any real numbers. */
  readonly t: Positions;
  /** α and σ. */
  readonly signal: Float32Array;
  readonly noise: Float32Array;
  /** The target's shares of x_0 and ε; null if it is ε. */
  readonly target: { readonly signal: Float32Array; readonly noise: Float32Array } | null;
  /** Weights of the loss; null for 1. */
  readonly weights: Float32Array | null;
}

/** The coefficients for images at these positions. */
export function mixture(schedule: Schedule, positions: Positions, by: Weights): Mixture {
  const { objective } = schedule;
  const each = (value: (position: number) => number) => Float32Array.from(positions, value);
  if (objective === 'flow') {
    const [signal, noise] = [each((s) => 1 - s), each((s) => s)];
    const target = { signal: each(() => -1), noise: each(() => 1) };
    return {
      t: each((s) => FLOW_TIMES * s),
      signal,
      noise,
      target,
      weights: weigh(schedule, positions, by),
    };
  }
  const signal = each((t) => schedule.sqrtAlphaBar[t]!);
  const noise = each((t) => schedule.sqrtOneMinusAlphaBar[t]!);
  const weights = weigh(schedule, positions, by);
  const target = {
    epsilon: null,
    x0: { signal: each(() => 1), noise: each(() => 0) },
    v: { signal: noise.map((sigma) => -sigma), noise: signal },
  }[objective];
  return { t: positions, signal, noise, target, weights };
}

function weigh(schedule: Schedule, positions: Positions, by: Weights): Float32Array | null {
  const { objective, exact } = schedule;
  if (by === null) return null;
  if (typeof by !== 'number')
    return Float32Array.from(positions, (at) => lossWeightAt(by, schedule, at));
  if (objective === 'flow') return null;
  return Float32Array.from(positions, (t) => minSnr(objective, exact.alphaBar[t]!, by));
}

/** min(SNR, γ) for the loss on x_0, and the equivalent for the losses on ε and v; SNR = ᾱ/(1 − ᾱ). */
function minSnr(objective: 'epsilon' | 'x0' | 'v', alphaBar: number, gamma: number): number {
  const snr = alphaBar / (1 - alphaBar);
  const least = Math.min(snr, gamma);
  switch (objective) {
    case 'epsilon':
      return least / snr;
    case 'x0':
      return least;
    case 'v':
      return least / (snr + 1);
    default:
      return objective satisfies never;
  }
}

/** Draws the positions of `count` images, as a function of their stream alone. */
export function drawPositions(
  random: CounterRandom,
  stream: { readonly purpose: Purpose; readonly index: number },
  count: number,
  { timesteps, flow, sampling, among }: PositionOptions,
): Positions {
  const { purpose, index } = stream;
  if (among) {
    const chosen = Array.from(
      random.integers(purpose, index, count, among.length),
      (i) => among[i]!,
    );
    return flow ? Float32Array.from(chosen) : Int32Array.from(chosen);
  }
  if (sampling === 'uniform')
    return flow
      ? random.uniform(purpose, index, count, 0, 1)
      : Int32Array.from(random.integers(purpose, index, count, timesteps));
  const shares = random.normals(purpose, index, 0, count).map((z) => 1 / (1 + Math.exp(-z)));
  return flow ? shares : Int32Array.from(shares, (u) => Math.min(timesteps - 1, u * timesteps));
}

export interface PositionOptions {
  readonly timesteps: number;
  readonly flow: boolean;
  readonly sampling: TimeSampling;
  /** The only ones to draw, uniformly: then `sampling` has no effect. Default all. */
  readonly among?: Positions;
}

/** The quarter of the timesteps that a position is in, 0 to 3. */
export const quarterOf = (position: number, { timesteps, flow }: PositionOptions): number =>
  Math.min(3, Math.floor((4 * position) / (flow ? 1 : timesteps)));
