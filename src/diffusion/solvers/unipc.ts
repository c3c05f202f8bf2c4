import type { Moment } from '../levels.js';
import { imageFrom } from '../objective.js';
import { halfLogSnr, type Row, type Walk } from '../table.js';

/*
 * UniPC (Zhao et al. 2023) of order 2 with B(h) = e^{−h} − 1: a predictor, and a corrector that mends a step when the network has
 * been asked where it led. Both are one row: the corrector moves x by differences of x̂_0, since what both have in common cancels.
 */

export interface UnipcOptions {
  /** Order 1 in the last step (diffusers' lower_order_final). */
  readonly lowerFinal: boolean;
}

/** Weights of x̂_0, x̂_0⁽¹⁾ and x̂_0⁽²⁾. */
type Images = readonly [number, number, number];

export function unipcRows({ objective, moments }: Walk, { lowerFinal }: UnipcOptions): Row[] {
  const steps = moments.length - 1;
  const orderOf = (i: number) => {
    const last = i === steps - 1 && (lowerFinal || moments[steps]!.sigma === 0);
    return i === 0 || last ? 1 : 2;
  };
  return Array.from({ length: steps }, (_, i) => {
    const from = moments[i]!;
    const corrected = i === 0 ? NOTHING : corrector(moments.slice(0, i + 1), orderOf(i - 1));
    const { x, images } = predictor(moments.slice(0, i + 2), orderOf(i));
    const [x0, earlier, earliest] = corrected.map((w, n) => x * w + images[n]!) as [
      number,
      number,
      number,
    ];
    return { t: from.t, foresees: imageFrom(objective, from), x, x0, earlier, earliest };
  });
}

const NOTHING: Images = [0, 0, 0];

/** The step to the last of `path` from the one before. */
function predictor(path: readonly Moment[], order: number): { x: number; images: Images } {
  const [from, to] = path.slice(-2) as [Moment, Moment];
  const h = halfLogSnr(to) - halfLogSnr(from);
  const b = Math.expm1(-h);
  const slope = order === 1 ? 0 : (-to.alpha * b * 0.5) / ratio(path, h);
  // Of x̂_0 at `from`, and of the one before: D₁ = (x̂_0⁽¹⁾ − x̂_0)/r.
  return { x: to.sigma / from.sigma, images: [-to.alpha * b - slope, slope, 0] };
}

/** What is added to the predicted x at the last of `path`, whose predictor was of this order. */
function corrector(path: readonly Moment[], order: number): Images {
  const [from, to] = path.slice(-2) as [Moment, Moment];
  const h = halfLogSnr(to) - halfLogSnr(from);
  const scale = to.alpha * Math.expm1(-h);
  // x̂_0 against that of the step's start, which by now is x̂_0⁽¹⁾.
  if (order === 1) return [-scale * 0.5, scale * 0.5, 0];
  const r = ratio(path, h);
  const [first, second] = correctorWeights(h, r);
  const before = (scale * (0.5 - first)) / r;
  return [-scale * second, scale * second - before, before];
}

/** ρ of Zhao et al. eq. 7 for r = (r, 1). */
function correctorWeights(h: number, r: number): [number, number] {
  const b = Math.expm1(-h);
  const phi = b / -h - 1;
  const [one, two] = [phi / b, (2 * (phi / -h - 0.5)) / b];
  const first = (one - two) / (1 - r);
  return [first, one - first];
}

/** The step of λ before the last one of `path`, backwards, in units of it. */
function ratio(path: readonly Moment[], h: number): number {
  const [before, from] = path.slice(-3, -1).map(halfLogSnr) as [number, number];
  return (before - from) / h;
}
