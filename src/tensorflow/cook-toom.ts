/**
 * The matrices of minimal filtering F(m, r) (Winograd, 1980) by the construction of Cook and Toom: m outputs of r taps
 * cost n = m + r − 1 products. Two polynomials are multiplied by their values at n points, and the transposed algorithm
 * is a filter.
 */

/** A matrix as a list of rows. */
export type Matrix = readonly (readonly number[])[];

/** y = Aᵀ·((G·w) ⊙ (B·x)) is y[i] = Σ_j w[j]·x[i + j] for n values x, r taps w and m outputs y. */
export interface MinimalFilter {
  /** [n, m] */
  readonly a: Matrix;
  /** [n, r] */
  readonly g: Matrix;
  /** [n, n] */
  readonly b: Matrix;
}

/**
 * The finite points, by their number; infinity is added. Of the fractions of eighths up to 2, these have the smallest f32
 * errors for normally distributed values, in output and both gradients: a third to a half of the usual points'
 * (0, ±1, ±2). Their powers and products are exact.
 */
const POINTS: Readonly<Record<number, readonly number[]>> = {
  2: [5 / 8, -5 / 8],
  3: [0, 1, -1],
  4: [1 / 2, -1 / 2, 5 / 4, -5 / 4],
  5: [0, 3 / 4, -3 / 4, 3 / 2, -3 / 2],
};

/** F(m, r) for m + r from 4 to 7. */
export function minimalFilter(m: number, r: number): MinimalFilter {
  const points = POINTS[m + r - 2]!;
  const others = points.map((p) => points.filter((q) => q !== p));
  // The product over the other points is part of G, so that B stays exact.
  const scales = points.map((p, i) => others[i]!.reduce((product, q) => product * (p - q), 1));
  return {
    a: [...points.map((p) => powers(p, m)), unit(m)],
    g: [...points.map((p, i) => powers(p, r).map((v) => v / scales[i]!)), unit(r)],
    b: [...others.map((roots) => [...fromRoots(roots), 0]), fromRoots(points)],
  };
}

/** 1, p, p², … */
const powers = (p: number, length: number): number[] => Array.from({ length }, (_, i) => p ** i);

/** Only the highest coefficient: a polynomial's value at infinity. */
const unit = (length: number): number[] =>
  Array.from({ length }, (_, i) => (i === length - 1 ? 1 : 0));

/** Coefficients of Π (x − root), from the constant up. */
function fromRoots(roots: readonly number[]): number[] {
  return roots.reduce<number[]>(
    (p, root) => p.concat(0).map((_, i) => (p[i - 1] ?? 0) - root * (p[i] ?? 0)),
    [1],
  );
}

export const transpose = (a: Matrix): Matrix => a[0]!.map((_, j) => a.map((row) => row[j]!));

/** The Kronecker product a ⊗ a: `a` along the rows and along the columns of an image. */
export const square = (a: Matrix): Matrix =>
  a.flatMap((row) => a.map((other) => row.flatMap((v) => other.map((w) => v * w))));
