import type { Moment } from '../levels.js';
import { imageFrom } from '../objective.js';
import { halfLogSnr, type Row, type Walk } from '../table.js';

/*
 * DPM-Solver++ (Lu et al. 2022): the exact solution of the probability-flow ODE if x̂_0 is a polynomial of λ through
 * its last one, two or three values. With λ from s to t, h = λ_t − λ_s: x_t = σ_t/σ_s·x + α_t·(1 − e^{−h})·x̂_0 + …
 */

export interface DpmOptions {
  readonly order: 2 | 3;
  /** Solves the reverse SDE instead (SDE-DPM-Solver++), with order 2. */
  readonly stochastic: boolean;
  /** Lower orders in the last steps if there are fewer than 15 (diffusers' lower_order_final). */
  readonly lowerFinal: boolean;
  /** Steps of the whole walk, also of those that a redrawn picture skips: diffusers counts these. */
  readonly steps: number;
}

/** Fewest steps with full order at the end. */
const ENOUGH_STEPS = 15;

/**
 * Largest difference of λ between equal noise levels. The last of Karras's levels is that of the schedule's first timestep, at which the process may
 * also end: a step between them leaves x as it is.
 */
const SAME = 1e-9;

export function dpmRows({ objective, moments }: Walk, options: DpmOptions): Row[] {
  const steps = moments.length - 1;
  return Array.from({ length: steps }, (_, i) => {
    const [from, to] = [moments[i]!, moments[i + 1]!];
    const own = { t: from.t, foresees: imageFrom(objective, from) };
    if (Math.abs(halfLogSnr(to) - halfLogSnr(from)) < SAME) return { ...own, x: 1, x0: 0 };
    const order = orderOf(i, steps, to, options);
    const update = options.stochastic ? stochastic : deterministic;
    return { ...own, ...update(moments.slice(Math.max(0, i + 1 - order), i + 2), order) };
  });
}

function orderOf(i: number, steps: number, to: Moment, options: DpmOptions): number {
  const { order, lowerFinal } = options;
  const few = lowerFinal && options.steps < ENOUGH_STEPS;
  if (i === steps - 1 && (few || to.sigma === 0)) return 1;
  return Math.min(order, i + 1, few && i === steps - 2 ? 2 : order);
}

type Update = Omit<Row, 't' | 'foresees'>;

/** @param path the moments of a step: those of earlier x̂_0, its own, and its target */
function deterministic(path: readonly Moment[], order: number): Update {
  const [from, to] = path.slice(-2) as [Moment, Moment];
  const h = halfLogSnr(to) - halfLogSnr(from);
  const decay = Math.exp(-h);
  const [x, image] = [to.sigma / from.sigma, to.alpha * (1 - decay)];
  if (order === 1) return { x, x0: image };
  const { r0, r1 } = ratios(path, h);
  if (order === 2) return { x, x0: image + image / (2 * r0), earlier: -image / (2 * r0) };
  const slope = to.alpha * ((decay - 1) / h + 1);
  const curve = (-to.alpha * ((decay - 1 + h) / h ** 2 - 0.5)) / (r0 + r1);
  // Weights of (x̂_0 − x̂_0⁽¹⁾)/r₀ and of (x̂_0⁽¹⁾ − x̂_0⁽²⁾)/r₁.
  const share = r0 / (r0 + r1);
  const near = (slope * (1 + share) + curve) / r0;
  const far = (-slope * share - curve) / r1;
  return { x, x0: image + near, earlier: far - near, earliest: -far };
}

function stochastic(path: readonly Moment[], order: number): Update {
  const [from, to] = path.slice(-2) as [Moment, Moment];
  const h = halfLogSnr(to) - halfLogSnr(from);
  const image = to.alpha * (1 - Math.exp(-2 * h));
  const x = (to.sigma / from.sigma) * Math.exp(-h);
  const noise = to.sigma * Math.sqrt(1 - Math.exp(-2 * h));
  if (order === 1) return { x, x0: image, noise };
  const { r0 } = ratios(path, h);
  return { x, x0: image + image / (2 * r0), earlier: -image / (2 * r0), noise };
}

/** The previous steps of λ, relative to this one. */
function ratios(path: readonly Moment[], h: number): { r0: number; r1: number } {
  const lambdas = path.slice(0, -1).map(halfLogSnr);
  const step = (n: number) => (lambdas.at(-1 - n)! - lambdas.at(-2 - n)!) / h;
  return { r0: step(0), r1: lambdas.length > 2 ? step(1) : Number.NaN };
}
