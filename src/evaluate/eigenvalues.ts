/**
 * Eigenvalues of a symmetric matrix in f64: Householder's tridiagonal form, then QL with implicit shifts (Golub & Van Loan,
 * Matrix Computations, 8.3). Eigenvectors are not computed, which leaves a seventh of the work; the errors are a few
 * roundings of the largest eigenvalue.
 */
import { RunError } from '../errors.js';
import type { Breath } from './breath.js';
import type { Matrix } from './matrix.js';

/** In no particular order. Overwrites the matrix; reads nothing above its diagonal. @throws RunError if they do not converge, as with NaN */
export async function eigenvalues(matrix: Matrix, breath: Breath): Promise<Float64Array> {
  const { diagonal, beside } = await tridiagonal(matrix, breath);
  iterate(diagonal, beside);
  return diagonal;
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** The subdiagonal: element i is at [i, i − 1], and the first is 0. */
  readonly beside: Float64Array;
}

/** Reflections from the last row up, each of which leaves one off-diagonal element in a row. */
async function tridiagonal({ rows: n, data: a }: Matrix, breath: Breath): Promise<Tridiagonal> {
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n);
  const q = new Float64Array(n);
  for (let i = n - 1; i > 0; i--) {
    await breath.take();
    const u = a.subarray(i * n, i * n + i);
    diagonal[i] = a[i * n + i]!;
    beside[i] = reflect(u, a, n, q);
  }
  if (n > 0) diagonal[0] = a[0]!;
  return { diagonal, beside };
}

/** Makes a reflection of the row u, applies it to the rows before it from both sides, and returns the remaining element of u. */
function reflect(u: Float64Array, a: Float64Array, n: number, q: Float64Array): number {
  const length = u.length;
  const last = u[length - 1]!;
  let scale = 0;
  for (let k = 0; k < length - 1; k++) scale = Math.max(scale, Math.abs(u[k]!));
  if (scale === 0) return last;
  scale = Math.max(scale, Math.abs(last));
  let square = 0;
  for (let k = 0; k < length; k++) {
    u[k]! /= scale;
    square += u[k]! ** 2;
  }
  const head = u[length - 1]!;
  const norm = head >= 0 ? -Math.sqrt(square) : Math.sqrt(square);
  const h = square - head * norm;
  u[length - 1] = head - norm;
  productWith(a, n, u, q);
  let overlap = 0;
  for (let k = 0; k < length; k++) {
    q[k]! /= h;
    overlap += q[k]! * u[k]!;
  }
  const half = overlap / (2 * h);
  for (let k = 0; k < length; k++) q[k]! -= half * u[k]!;
  for (let j = 0; j < length; j++) {
    const row = j * n;
    const [uj, qj] = [u[j]!, q[j]!];
    for (let k = 0; k <= j; k++) a[row + k]! -= uj * q[k]! + qj * u[k]!;
  }
  return scale * norm;
}

/** q = A·u, reading the lower triangle once for both halves. */
function productWith(a: Float64Array, n: number, u: Float64Array, q: Float64Array): void {
  const length = u.length;
  q.fill(0, 0, length);
  for (let j = 0; j < length; j++) {
    const row = j * n;
    const uj = u[j]!;
    let sum = 0;
    for (let k = 0; k < j; k++) {
      const value = a[row + k]!;
      sum += value * u[k]!;
      q[k]! += value * uj;
    }
    q[j]! += sum + a[row + j]! * uj;
  }
}

/** Most iterations per eigenvalue; it converges within about three. */
const TURNS = 60;

/** QL with implicit shifts: the diagonal becomes the eigenvalues. */
function iterate(d: Float64Array, beside: Float64Array): void {
  const n = d.length;
  // From here on, subdiagonal element i is at [i + 1, i].
  const e = Float64Array.from({ length: n }, (_, i) => beside[i + 1] ?? 0);
  for (let l = 0; l < n; l++)
    for (let turn = 0; ; turn++) {
      const m = firstNegligible(d, e, l);
      if (m === l) break;
      if (turn === TURNS) throw new RunError('the eigenvalues of a covariance do not converge');
      sweep(d, e, l, m);
    }
}

function firstNegligible(d: Float64Array, e: Float64Array, from: number): number {
  let m = from;
  while (m < d.length - 1) {
    const size = Math.abs(d[m]!) + Math.abs(d[m + 1]!);
    if (Math.abs(e[m]!) <= Number.EPSILON * size) break;
    m++;
  }
  return m;
}

/** One sweep of rotations from m up to l, by Wilkinson's shift. */
function sweep(d: Float64Array, e: Float64Array, l: number, m: number): void {
  const half = (d[l + 1]! - d[l]!) / (2 * e[l]!);
  const root = Math.hypot(half, 1);
  let g = d[m]! - d[l]! + e[l]! / (half + (half >= 0 ? root : -root));
  let [sine, cosine, shift] = [1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const f = sine * e[i]!;
    const b = cosine * e[i]!;
    const r = Math.hypot(f, g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1]! -= shift;
      e[m] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    const below = d[i + 1]! - shift;
    const turn = (d[i]! - below) * sine + 2 * cosine * b;
    shift = sine * turn;
    d[i + 1] = below + shift;
    g = cosine * turn - b;
  }
  d[l]! -= shift;
  e[l] = g;
  e[m] = 0;
}
