import type { Moment } from '../levels.js';
import { imageFrom } from '../objective.js';
import type { Row, Walk } from '../table.js';

/*
 * Steps along the line from x to x̂_0 (Karras et al. 2022). For x/α this is Euler's method for dx/dσ̃ = (x − x̂_0)/σ̃; for flow
 * matching, where α + σ = 1, for dx/ds.
 */

/** Euler's method: Karras et al. Algorithm 1 without its second half. */
export const eulerRows = ({ objective, moments }: Walk): Row[] =>
  pairs(moments).map(([from, to]) => ({
    t: from.t,
    foresees: imageFrom(objective, from),
    ...towards(from, to),
  }));

/** Coefficients of x and x̂_0 for the noise level `to`: x' = (σ'/σ)·x + (α' − α·σ'/σ)·x̂_0. */
function towards(from: Moment, to: Moment): Pick<Row, 'x' | 'x0'> {
  const kept = to.sigma / from.sigma;
  return { x: kept, x0: to.alpha - from.alpha * kept };
}

/** Euler's method to a level below the next, then noise back up to it (k-diffusion's Euler ancestral). */
export function eulerAncestralRows({ objective, moments }: Walk): Row[] {
  return pairs(moments).map(([from, to]) => {
    const [level, next] = [from.sigma / from.alpha, to.sigma / to.alpha];
    const up = Math.sqrt((next ** 2 * (level ** 2 - next ** 2)) / level ** 2);
    const down = Math.sqrt(Math.max(0, next ** 2 - up ** 2));
    return {
      t: from.t,
      foresees: imageFrom(objective, from),
      x: (to.alpha / from.alpha) * (down / level),
      x0: to.alpha * (1 - down / level),
      noise: to.alpha * up,
    };
  });
}

/**
 * Heun's method, Karras et al. Algorithm 1: an Euler step, an evaluation at its end, and the step again along
 * the mean of both slopes; the last step is Euler's. With x' the first half's result and the slopes
 * (x' − x̂_0⁽¹⁾)/σ̃' and (x' − x̂_0)/σ̃', the corrected state is x' + α'·(1 − σ̃/σ̃')/2·(x̂_0⁽¹⁾ − x̂_0): the starting state need not be
 * kept. Flow matching integrates over s instead, with slopes (x' − x̂_0)/s': x' + (1 − s/s')/2·(x̂_0⁽¹⁾ − x̂_0).
 */
export function heunRows({ objective, moments }: Walk): Row[] {
  return pairs(moments).flatMap(([from, to]): Row[] => {
    const first = { t: from.t, foresees: imageFrom(objective, from), ...towards(from, to) };
    if (to.sigma === 0) return [first];
    const weight = objective === 'flow' ? (1 - from.sigma / to.sigma) / 2 : correction(from, to);
    const second = { t: to.t, foresees: imageFrom(objective, to), x: 1 };
    return [first, { ...second, x0: -weight, earlier: weight }];
  });
}

function correction(from: Moment, to: Moment): number {
  const ratio = (from.sigma / from.alpha) * (to.alpha / to.sigma);
  return (to.alpha * (1 - ratio)) / 2;
}

export const pairs = <T>(list: readonly T[]): [T, T][] =>
  list.slice(1).map((to, i) => [list[i]!, to]);
