/**
 * Mean and covariance of features in a file, in the format of pytorch-fid and clean-fid: a .npz with `mu` [n] and
 * `sigma` [n, n].
 */
import { UsageError } from '../errors.js';
import { writeNpz } from './array-file.js';
import { type InputFile, withInputFile } from './input-file.js';
import { type Npz, type NpzArray, namesText, openNpz } from './npz.js';

/** For n features: their mean [n] and covariance [n, n], row-major. */
export interface Statistics {
  readonly mean: Float64Array;
  readonly covariance: Float64Array;
}

/** The most features: their covariance takes half a gigabyte. */
const MOST = 8192;

const TYPES = ['<f8', '<f4'];

/** The largest number: products of two, summed over all features, must not overflow. Features in f32 stay far below it. */
const LARGEST = 1e100;

/** Whether the arrays of a file are statistics. */
export const holdsStatistics = ({ names }: Npz): boolean =>
  names.includes('mu') && names.includes('sigma');

/** @throws UsageError if the file has only one of the two arrays, and no images */
export function refuseHalf({ names }: Npz, path: string): void {
  const [only, ...both] = ['mu', 'sigma'].filter((name) => names.includes(name));
  if (only === undefined || both.length > 0 || names.includes('arr_0')) return;
  const missing = only === 'mu' ? 'sigma' : 'mu';
  throw new UsageError(
    `${path}: expected statistics with mu and sigma, got ${only} without ${missing}`,
  );
}

/** @throws UsageError for a file without statistics, a damaged one, or an invalid covariance */
export const readStatistics = (path: string): Promise<Statistics> =>
  withInputFile(path, 'a .npz of statistics', readOpen);

async function readOpen(file: InputFile): Promise<Statistics> {
  const npz = await openNpz(file);
  if (!holdsStatistics(npz))
    throw new UsageError(
      `${file.path}: expected the arrays mu and sigma, got ${namesText(npz.names)}`,
    );
  const mu = await npz.open('mu', TYPES);
  const [features = 0] = mu.shape;
  if (mu.shape.length !== 1 || features < 1 || features > MOST)
    throw new UsageError(
      `${mu.where}: expected a shape (n,) with n from 1 to ${MOST}, got (${mu.shape.join(', ')})`,
    );
  const sigma = await npz.open('sigma', TYPES);
  if (sigma.shape.length !== 2 || sigma.shape.some((side) => side !== features))
    throw new UsageError(
      `${sigma.where}: expected the shape (${features}, ${features}), got (${sigma.shape.join(', ')})`,
    );
  const mean = await values(mu);
  const covariance = await values(sigma);
  checkCovariance(covariance, features, sigma.where);
  return { mean, covariance };
}

/** The numbers of an array in file order, in f64. @throws UsageError for one that is not finite, or too large */
async function values({ read, shape, dtype, where }: NpzArray): Promise<Float64Array> {
  const length = shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(length * (dtype === '<f4' ? 4 : 8));
  let at = 0;
  for await (const piece of read(bytes.length)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const numbers =
    dtype === '<f4'
      ? Float64Array.from(new Float32Array(bytes.buffer))
      : new Float64Array(bytes.buffer);
  const wrong = numbers.find((value) => !(Math.abs(value) <= LARGEST));
  if (wrong === undefined) return numbers;
  const expected = Number.isFinite(wrong) ? `numbers up to ±${LARGEST}` : 'finite numbers';
  throw new UsageError(`${where}: expected ${expected}, got ${wrong}`);
}

/** Tolerated asymmetry from rounding to f32, relative to the largest variance. */
const ASYMMETRY = 1e-5;

/** A covariance is symmetric, so the order of the array does not matter. */
function checkCovariance(sigma: Float64Array, n: number, where: string): void {
  let largest = 0;
  for (let i = 0; i < n; i++) {
    const variance = sigma[i * n + i]!;
    if (variance < 0)
      throw new UsageError(`${where}: expected variances of 0 or more, got ${variance}`);
    largest = Math.max(largest, variance);
  }
  for (let i = 0; i < n; i++)
    for (let j = 0; j < i; j++)
      if (Math.abs(sigma[i * n + j]! - sigma[j * n + i]!) > ASYMMETRY * largest)
        throw new UsageError(
          `${where}: expected a symmetric matrix, got ${sigma[i * n + j]} at [${i}, ${j}] and ${sigma[j * n + i]} at [${j}, ${i}]`,
        );
}

/** @throws RunError if it cannot be written */
export async function writeStatistics(
  path: string,
  { mean, covariance }: Statistics,
): Promise<void> {
  const n = mean.length;
  await writeNpz(path, [
    { name: 'mu', dtype: '<f8', shape: [n], source: bytesOf(mean) },
    { name: 'sigma', dtype: '<f8', shape: [n, n], source: bytesOf(covariance) },
  ]);
}

async function* bytesOf({
  buffer,
  byteOffset,
  byteLength,
}: Float64Array): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(buffer, byteOffset, byteLength);
}
