import type { Moment } from '../levels.js';
import { imageFrom } from '../objective.js';
import { halfLogSnr, type Row, type Walk } from '../table.js';
import { solve } from './linear.js';

/*
 * UniPC (Zhao et al. 2023): a predictor, and a corrector that improves a step once the network has been evaluated at its end. Both
 * fit in one row: the corrector moves x by differences of x̂_0, since the common terms cancel. It uses one x̂_0 more
 * than the predictor of its order.
 */

export interface UnipcOptions {
  /** Number of x̂_0 that the predictor fits its polynomial of λ to. */
  readonly order: 1 | 2 | 3;
  /** B(h) of section 3: −h, or e^{−h} − 1. */
  readonly solverType: 'bh1' | 'bh2';
  /** Orders decrease to 1 in the last steps (diffusers' lower_order_final). */
  readonly lowerFinal: boolean;
}

/** Coefficients of x̂_0, x̂_0⁽¹⁾, x̂_0⁽²⁾ and x̂_0⁽³⁾. */
type Images = readonly [number, number, number, number];

export function unipcRows({ objective, moments }: Walk, options: UnipcOptions): Row[] {
  const steps = moments.length - 1;
  const orderOf = (i: number) => {
    if (i === steps - 1 && moments[steps]!.sigma === 0) return 1;
    return Math.min(options.order, i + 1, options.lowerFinal ? steps - i : options.order);
  };
  return Array.from({ length: steps }, (_, i) => {
    const from = moments[i]!;
    const lastOrder = i === 0 ? 0 : orderOf(i - 1);
    const corrected = i === 0 ? NOTHING : corrector(moments.slice(0, i + 1), lastOrder, options);
    const { x, images } = predictor(moments.slice(0, i + 2), orderOf(i), options);
    const [x0, earlier, earliest, oldest] = corrected.map(
      (w, n) => x * w + images[n]!,
    ) as unknown as Images;
    return { t: from.t, foresees: imageFrom(objective, from), x, x0, earlier, earliest, oldest };
  });
}

const NOTHING: Images = [0, 0, 0, 0];

type Kind = Pick<UnipcOptions, 'solverType'>;

/** The step to the last moment of `path` from the one before. */
function predictor(
  path: readonly Moment[],
  order: number,
  kind: Kind,
): { x: number; images: Images } {
  const [from, to] = path.slice(-2) as [Moment, Moment];
  const step = stepOf(path, order);
  const image = -to.alpha * Math.expm1(-step.h);
  const x = to.sigma / from.sigma;
  if (order === 1) return { x, images: [image, 0, 0, 0] };
  // Coefficients of D_k = (x̂_0⁽ᵏ⁾ − x̂_0)/r_k.
  const scale = -to.alpha * scaleOf(step.h, kind);
  const slopes = predictorWeights(step, kind).map((weight, k) => (scale * weight) / step.r[k]!);
  const [near = 0, far = 0] = slopes;
  return { x, images: [image - near - far, near, far, 0] };
}

/** The correction of the predicted x at the last moment of `path`, whose predictor had this order. */
function corrector(path: readonly Moment[], order: number, kind: Kind): Images {
  const to = path.at(-1)!;
  const step = stepOf(path, order);
  const scale = -to.alpha * scaleOf(step.h, kind);
  const predicted = predictorWeights(step, kind);
  const weights = correctorWeights(step, kind);
  // x̂_0 relative to that at the step's start, which is now x̂_0⁽¹⁾.
  const own = scale * weights[order - 1]!;
  const slopes = predicted.map((weight, k) => (scale * (weights[k]! - weight)) / step.r[k]!);
  const [near = 0, far = 0] = slopes;
  return [own, -own - near - far, near, far];
}

/** A step of λ by h, and the positions of the x̂_0 before its start in units of h: below 0, the latest first. */
interface Step {
  readonly h: number;
  readonly r: readonly number[];
}

/** The last step of `path`, with as many x̂_0 before it as the order uses. */
function stepOf(path: readonly Moment[], order: number): Step {
  const [end, start, ...before] = path.map(halfLogSnr).reverse() as [number, number, ...number[]];
  const h = end - start;
  return { h, r: before.slice(0, order - 1).map((lambda) => (lambda - start) / h) };
}

/** B(h). */
const scaleOf = (h: number, { solverType }: Kind): number =>
  solverType === 'bh1' ? -h : Math.expm1(-h);

/** ρ of the predictor: Zhao et al. eq. 3. For order 2 it is near 1/2, the value in diffusers. */
function predictorWeights({ h, r }: Step, kind: Kind): readonly number[] {
  return r.length < 2 ? r.map(() => 0.5) : momentWeights(h, r, kind);
}

/** ρ of the corrector, which also uses the x̂_0 at the step's end, r = 1. For order 1 it is near 1/2. */
function correctorWeights({ h, r }: Step, kind: Kind): readonly number[] {
  return r.length === 0 ? [0.5] : momentWeights(h, [...r, 1], kind);
}

/** ρ with Σ_k ρ_k·r_k^{n−1} = n!·φ_n/B(h) for n = 1, 2, …: Zhao et al. section 3, φ being diffusers' h_phi_k. */
function momentWeights(h: number, r: readonly number[], kind: Kind): number[] {
  const b = scaleOf(h, kind);
  let factorial = 1;
  const rows = r.map((_, n) => r.map((value) => value ** n));
  const sums = r.map((_, n) => {
    factorial *= n + 1;
    return (phi(n + 1, -h) * factorial) / b;
  });
  return solve(rows, sums);
}

/** φ_n(z) = Σ_{j>0} z^j/(j + n)!: e^z − 1 for n = 0, then φ_{n−1}/z − 1/n!, which cancels for small z. */
function phi(n: number, z: number): number {
  if (Math.abs(z) < 1) return series(n, z);
  let value = Math.expm1(z);
  let factorial = 1;
  for (let k = 1; k <= n; k++) {
    factorial *= k;
    value = value / z - 1 / factorial;
  }
  return value;
}

/** Terms of the series that matter in f64 for |z| < 1: 1/20! is 4e-19. */
const TERMS = 20;

function series(n: number, z: number): number {
  let term = 1;
  for (let k = 1; k <= n; k++) term /= k;
  let sum = 0;
  for (let j = 1; j <= TERMS; j++) {
    term *= z / (j + n);
    sum += term;
  }
  return sum;
}
