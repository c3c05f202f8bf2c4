/**
 * Matrix products in f64, for feature statistics. They do not run on the engine: its kernels compute in f32, which
 * is not precise enough for the covariance of thousands of features.
 */
import type { Breath } from './breath.js';

/** A row-major matrix without padding. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

/** Elements of a row to process at a time, so that four rows of each factor stay in the first-level cache. */
const DEPTH = 256;

/** C = A·Bᵀ: dot products of the rows of A and of B. */
export async function timesTransposed(a: Matrix, b: Matrix, breath: Breath): Promise<Matrix> {
  const data = new Float64Array(a.rows * b.rows);
  for (let i = 0; i < a.rows; i += 4) {
    addDots(data, b.rows, a, i, Math.min(a.rows, i + 4), b, 0, b.rows);
    await breath.take();
  }
  return { rows: a.rows, columns: b.rows, data };
}

/** Adds the dot products of rows [i0, i1) of A and [j0, j1) of B to C, whose rows have `width` elements. */
export function addDots(
  c: Float64Array,
  width: number,
  a: Matrix,
  i0: number,
  i1: number,
  b: Matrix,
  j0: number,
  j1: number,
): void {
  for (let k0 = 0; k0 < a.columns; k0 += DEPTH) {
    const k1 = Math.min(a.columns, k0 + DEPTH);
    for (let i = i0; i < i1; i += 4)
      for (let j = j0; j < j1; j += 4) {
        if (i + 4 <= i1 && j + 4 <= j1) dots4(c, width, a, i, b, j, k0, k1);
        else
          for (let y = i; y < Math.min(i + 4, i1); y++)
            for (let x = j; x < Math.min(j + 4, j1); x++)
              c[y * width + x]! += dot(a.data, y * a.columns, b.data, x * b.columns, k0, k1);
      }
  }
}

function dot(
  a: Float64Array,
  p: number,
  b: Float64Array,
  q: number,
  k0: number,
  k1: number,
): number {
  let sum = 0;
  for (let k = k0; k < k1; k++) sum += a[p + k]! * b[q + k]!;
  return sum;
}

/** 4x4 dot products at a time: eight loads for sixteen products. */
function dots4(
  c: Float64Array,
  width: number,
  { data: a, columns: n }: Matrix,
  i: number,
  { data: b, columns: m }: Matrix,
  j: number,
  k0: number,
  k1: number,
): void {
  let [c00, c01, c02, c03] = [0, 0, 0, 0];
  let [c10, c11, c12, c13] = [0, 0, 0, 0];
  let [c20, c21, c22, c23] = [0, 0, 0, 0];
  let [c30, c31, c32, c33] = [0, 0, 0, 0];
  const [p0, p1, p2, p3] = [i * n, (i + 1) * n, (i + 2) * n, (i + 3) * n];
  const [q0, q1, q2, q3] = [j * m, (j + 1) * m, (j + 2) * m, (j + 3) * m];
  for (let k = k0; k < k1; k++) {
    const a0 = a[p0 + k]!;
    const a1 = a[p1 + k]!;
    const a2 = a[p2 + k]!;
    const a3 = a[p3 + k]!;
    const b0 = b[q0 + k]!;
    const b1 = b[q1 + k]!;
    const b2 = b[q2 + k]!;
    const b3 = b[q3 + k]!;
    c00 += a0 * b0;
    c01 += a0 * b1;
    c02 += a0 * b2;
    c03 += a0 * b3;
    c10 += a1 * b0;
    c11 += a1 * b1;
    c12 += a1 * b2;
    c13 += a1 * b3;
    c20 += a2 * b0;
    c21 += a2 * b1;
    c22 += a2 * b2;
    c23 += a2 * b3;
    c30 += a3 * b0;
    c31 += a3 * b1;
    c32 += a3 * b2;
    c33 += a3 * b3;
  }
  addRow(c, i * width + j, c00, c01, c02, c03);
  addRow(c, (i + 1) * width + j, c10, c11, c12, c13);
  addRow(c, (i + 2) * width + j, c20, c21, c22, c23);
  addRow(c, (i + 3) * width + j, c30, c31, c32, c33);
}

function addRow(c: Float64Array, at: number, v0: number, v1: number, v2: number, v3: number): void {
  c[at]! += v0;
  c[at + 1]! += v1;
  c[at + 2]! += v2;
  c[at + 3]! += v3;
}
