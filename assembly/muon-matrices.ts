import { DENSE_GRADIENT_INPUTS, DENSE_PANELS, DENSE_ROWS, MUON_ROWS } from './constants';
import { denseBlocks, denseWeightsBlocks } from './dense-blocks';
import { F32 } from './f32';
import { F64 } from './f64';
import { muonGram, muonMomentum, muonPolynomial, muonUpdate } from './muon';

/** A weight that Muon updates; see muon.ts. */
@unmanaged
export class Matrix {
  /** Its offset among the weights, in floats. */
  weight: i32;
  /** Weights per output, and outputs: the weight is [outputs/8][k][8]. */
  k: i32;
  outputs: i32;
  /** X is [m][n], n the smaller side, and its rows are divided into groups. */
  m: i32;
  n: i32;
  group: i32;
  /** Both sides without padding. */
  realOutputs: i32;
  realPlaces: i32;
}

/** Its size in bytes. */
const BYTES: usize = 32;
const INPUTS: usize = DENSE_GRADIENT_INPUTS;
const ITERATIONS = 5;
const BLOCK: usize = 64;

/**
 * The whole step of Muon for matrices that are small enough for a worker's cache, one after the other: no worker waits
 * for others. The same bits as with the separate kernels.
 * weights, m, g: f32, the regions of all parameters; rate: f32 [1]; momentum and clip as in `muonMomentum`; scratch: the caller's
 * own, f32 of `muonScratch` (src/engine/network/muon.ts) for the largest. Items: matrices.
 */
export function muonMatrices(
  weights: F32,
  m: F32,
  g: F32,
  matrices: Matrix,
  rate: F32,
  momentum: f64,
  clip: F32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  for (let item = begin; item < end; item++) {
    const matrix = changetype<Matrix>(changetype<usize>(matrices) + item * BYTES);
    move(matrix, weights, m, g, rate, momentum, clip, scratch);
  }
}

function move(
  matrix: Matrix,
  weights: F32,
  momenta: F32,
  gradients: F32,
  rate: F32,
  momentum: f64,
  clip: F32,
  scratch: F32,
): void {
  const at = <usize>matrix.weight;
  const k = <usize>matrix.k;
  const outputs = <usize>matrix.outputs;
  const m = <usize>matrix.m;
  const n = <usize>matrix.n;
  const group = <usize>matrix.group;
  const groups = (m + group - 1) / group;
  const items = (outputs / 8) * ((k + MUON_ROWS - 1) / MUON_ROWS);
  const xk: usize = outputs <= k ? n : 1;
  const xo: usize = outputs <= k ? 1 : n;
  const partial = changetype<F64>(scratch);
  // Aligned to 16 bytes, as the products' rows must be.
  let x = scratch.at((2 * items + 15) & ~15);
  let y = x.at(m * n);
  const products = y.at(m * n);
  const rows = products.at(groups * n * n);
  const panels = rows.at(n * n);
  const work = panels.at(n * n);
  muonMomentum(x, partial, momenta.at(at), gradients.at(at), momentum, clip, k, xk, xo, 0, items);
  for (let i = 0; i < ITERATIONS; i++) {
    const squares = i === 0 ? partial : changetype<F64>(0);
    gram(products, x, m, n, group, groups, work);
    muonGram(rows, panels, products, groups, n, squares, items, 0, n);
    multiply(products, rows, panels, n, n, work);
    muonPolynomial(panels, products, n, squares, items, 0, n / 8);
    multiply(y, x, panels, m, n, work);
    const next = y;
    y = x;
    x = next;
  }
  const scale = Math.sqrt(Math.max(1, <f64>matrix.realOutputs / <f64>matrix.realPlaces));
  muonUpdate(weights.at(at), x, rate, scale, k, xk, xo, 0, items);
}

/** The same products as `gramProducts` (src/engine/network/muon.ts). */
function gram(to: F32, x: F32, m: usize, n: usize, group: usize, groups: usize, work: F32): void {
  for (let first: usize = 0; first < n; first += BLOCK) {
    const inputs = min(n, first + BLOCK);
    const panels = min(BLOCK, n - first) / 8;
    const items = groups * ((inputs + INPUTS - 1) / INPUTS);
    denseWeightsBlocks(to, x, n, x.at(first), n, m, inputs, panels, group, work, 0, items);
    to = to.at(groups * panels * inputs * 8);
  }
}

/** y [rows][n] = x · P. */
function multiply(y: F32, x: F32, p: F32, rows: usize, n: usize, work: F32): void {
  const none = changetype<F32>(0);
  const items =
    ((rows + DENSE_ROWS - 1) / DENSE_ROWS) * ((n / 8 + DENSE_PANELS - 1) / DENSE_PANELS);
  denseBlocks(y, n, none, 0, x, n, p, none, rows, n, n / 8, 0, work, 0, items);
}
