/** Checks that a matrix from a file can be a covariance: otherwise a Fréchet distance may become anything, even negative. */
import { UsageError } from '../errors.js';
import type { Statistics } from '../io/statistics-file.js';
import type { Breath } from './breath.js';
import { eigenvalues } from './eigenvalues.js';

/**
 * Tolerated negative eigenvalues, as a share of the largest. A covariance of few images has many zeros, which rounding to f32
 * (6e-8 of each element) moves by up to 1e-5 of the largest for 8,192 features: by 6e-8 times twice the root of their number.
 */
const ROUNDING = 1e-5;

/** @throws UsageError naming the file if the covariance has a negative eigenvalue; errors of `breath` */
export async function requireSemidefinite(
  { mean, covariance }: Statistics,
  file: string,
  breath: Breath,
): Promise<void> {
  const n = mean.length;
  // The values are computed in place.
  const values = await eigenvalues({ rows: n, columns: n, data: covariance.slice() }, breath);
  const least = values.reduce((a, b) => Math.min(a, b));
  const largest = values.reduce((a, b) => Math.max(a, b));
  if (least >= -ROUNDING * largest) return;
  throw new UsageError(
    `${file}: "sigma": expected a covariance, whose eigenvalues are 0 or more, got one of ${least.toPrecision(4)} (the largest is ${largest.toPrecision(4)})`,
  );
}
