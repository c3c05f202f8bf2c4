/**
 * The Fréchet distance of two normal distributions (Heusel et al. 2017):
 * |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2·tr (Σ₁Σ₂)^½.
 */
import { UsageError } from '../errors.js';
import type { Statistics } from '../io/statistics-file.js';
import { plural } from '../units.js';
import { Breath } from './breath.js';
import { eigenvalues } from './eigenvalues.js';
import { type Matrix, timesTransposed } from './matrix.js';

/** @throws UsageError for statistics of different numbers of features; errors of `breath` */
export async function frechetDistance(
  a: Statistics,
  b: Statistics,
  breath = new Breath(),
): Promise<number> {
  if (a.mean.length !== b.mean.length)
    throw new UsageError(
      `--reference: expected ${plural(a.mean.length, 'feature')} like the samples', got ${b.mean.length}`,
    );
  let distance = 0;
  for (let i = 0; i < a.mean.length; i++) distance += (a.mean[i]! - b.mean[i]!) ** 2;
  const root = await traceOfRoot(a.covariance, b.covariance, a.mean.length, breath);
  return distance + trace(a) + trace(b) - 2 * root;
}

const trace = ({ mean, covariance }: Statistics): number =>
  mean.reduce((sum, _, i) => sum + covariance[i * mean.length + i]!, 0);

/**
 * tr (Σ₁Σ₂)^½. With Σ₁ = FᵀF, the eigenvalues of Σ₁Σ₂ are those of FΣ₂Fᵀ, which is symmetric and has as many rows as the rank
 * of Σ₁; their roots are summed. Rounding makes zeros slightly negative: they count as zeros.
 */
async function traceOfRoot(
  first: Float64Array,
  second: Float64Array,
  n: number,
  breath: Breath,
): Promise<number> {
  const factor = await factorOf(first, n, breath);
  const product = await timesTransposed(factor, { rows: n, columns: n, data: second }, breath);
  const values = await eigenvalues(await timesTransposed(product, factor, breath), breath);
  return values.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
}

/** A remaining variance below this share of the largest is only rounding. */
const NEGLIGIBLE = 1e-14;

/** The Cholesky factor F with Σ = FᵀF, largest variance first: it ends at the rank of Σ, which is small for few images. */
async function factorOf(sigma: Float64Array, n: number, breath: Breath): Promise<Matrix> {
  const left = Float64Array.from({ length: n }, (_, i) => sigma[i * n + i]!);
  const least = NEGLIGIBLE * left.reduce((a, b) => Math.max(a, b), 0);
  const taken = new Uint8Array(n);
  const data = new Float64Array(n * n);
  let rows = 0;
  for (; rows < n; rows++) {
    await breath.take();
    const pivot = largest(left, taken);
    if (pivot < 0 || left[pivot]! <= least) break;
    const row = data.subarray(rows * n, (rows + 1) * n);
    row.set(sigma.subarray(pivot * n, (pivot + 1) * n));
    for (let k = 0; k < rows; k++) takeOff(row, data, k * n, data[k * n + pivot]!);
    const root = Math.sqrt(left[pivot]!);
    taken[pivot] = 1;
    for (let i = 0; i < n; i++) {
      row[i] = taken[i] ? 0 : row[i]! / root;
      left[i]! -= row[i]! ** 2;
    }
    row[pivot] = root;
  }
  return { rows, columns: n, data: data.subarray(0, rows * n) };
}

function takeOff(row: Float64Array, data: Float64Array, at: number, factor: number): void {
  for (let i = 0; i < row.length; i++) row[i]! -= factor * data[at + i]!;
}

function largest(left: Float64Array, taken: Uint8Array): number {
  let best = -1;
  for (let i = 0; i < left.length; i++)
    if (!taken[i] && (best < 0 || left[i]! > left[best]!)) best = i;
  return best;
}
