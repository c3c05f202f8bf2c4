import { MUON_ROWS } from './constants';
import { F32 } from './f32';
import { F64 } from './f64';

/*
 * Muon (Jordan et al., 2024): the momentum of a weight matrix M [rows, columns] is brought close to the nearest orthogonal
 * matrix by five steps of a Newton-Schulz iteration, X ← X·(a·I + b·A + c·A²) with A = Xᵀ·X, from X = M/(‖M‖ + 1e-7). The
 * matrix's smaller side is X's columns: if that is the outputs, X is Mᵀ. A is symmetric, and X·p(Xᵀ·X) = p(X·Xᵀ)·X,
 * so both give the same. The products are those of dense-blocks.ts: this file has the rest.
 */

const A: f32 = 3.4445;
const B: f32 = -4.775;
const C: f32 = 2.0315;

/** In the type used for counting rows. */
const ROWS: usize = MUON_ROWS;

/**
 * The momentum m ← μ·m + (1 − μ)·g' with g' = clip·g, and Nesterov's u = μ·m + (1 − μ)·g' as X.
 * m, g: f32 [panels][k][8], in the layout of the weights. X: u of output o and weight i at x[i·xk + o·xo]. partial f64 [items] = Σ u².
 * clip: one factor f32 (see `gradientClip`), or null. Items: panels × blocks of 64 of k.
 */
export function muonMomentum(
  x: F32,
  partial: F64,
  m: F32,
  g: F32,
  momentum: f64,
  clip: F32,
  k: usize,
  xk: usize,
  xo: usize,
  begin: usize,
  end: usize,
): void {
  const blocks = (k + ROWS - 1) / ROWS;
  const keep = f32x4.splat(<f32>momentum);
  const rest = f32x4.splat(<f32>(1 - momentum));
  const factor = changetype<usize>(clip) === 0 ? f32x4.splat(1) : clip.splat(0);
  for (let item = begin; item < end; item++) {
    const panel = item / blocks;
    const first = (item % blocks) * ROWS;
    const last = min(first + ROWS, k);
    let sum = f64x2.splat(0);
    for (let row = first; row < last; row++)
      for (let half: usize = 0; half < 8; half += 4) {
        const at = (panel * k + row) * 8 + half;
        const gradient = f32x4.mul(rest, f32x4.mul(g.lanes(at), factor));
        const mean = f32x4.add(f32x4.mul(keep, m.lanes(at)), gradient);
        m.setLanes(at, mean);
        const u = f32x4.add(f32x4.mul(keep, mean), gradient);
        put(x.at(row * xk + (panel * 8 + half) * xo), xo, u);
        const low = f64x2.promote_low_f32x4(u);
        const high = f64x2.promote_low_f32x4(i32x4.shuffle(u, u, 2, 3, 2, 3));
        sum = f64x2.add(sum, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
      }
    partial[item] = f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1);
  }
}

/** Writes four outputs. */
function put(x: F32, step: usize, values: v128): void {
  if (step === 1) {
    x.setLanes(0, values);
    return;
  }
  x[0] = f32x4.extract_lane(values, 0);
  x[step] = f32x4.extract_lane(values, 1);
  x[2 * step] = f32x4.extract_lane(values, 2);
  x[3 * step] = f32x4.extract_lane(values, 3);
}

/** 1/(‖M‖ + 1e-7) from the sums of squares; 1 for null: X has already been divided. */
function inverseNorm(partial: F64, parts: usize): f64 {
  if (changetype<usize>(partial) === 0) return 1;
  let sum: f64 = 0;
  for (let i: usize = 0; i < parts; i++) sum += partial[i];
  return 1 / (Math.sqrt(sum) + 1e-7);
}

/**
 * A = Xᵀ·X of the divided X, in rows [n][n] and in panels [n/8][n][8], from the products of groups of X's rows. Of these only
 * blocks of 64 columns exist, with the rows up to theirs, one after the other: [groups][≤ 8 panels][≤ n][8]; A is symmetric.
 * Items: rows of A.
 */
export function muonGram(
  rows: F32,
  panels: F32,
  products: F32,
  groups: usize,
  n: usize,
  partial: F64,
  parts: usize,
  begin: usize,
  end: usize,
): void {
  const inverse = inverseNorm(partial, parts);
  const scale = f32x4.splat(<f32>(inverse * inverse));
  for (let i = begin; i < end; i++)
    for (let panel: usize = 0; panel < n / 8; panel++) {
      let low = f32x4.splat(0);
      let high = low;
      if (i >> 6 <= panel >> 3) {
        const at = product(products, groups, n, panel, i);
        const step = blockFloats(n, panel >> 3);
        for (let group: usize = 0; group < groups; group++) {
          low = f32x4.add(low, at.lanes(group * step));
          high = f32x4.add(high, at.lanes(group * step + 4));
        }
      } else {
        const at = product(products, groups, n, i >> 3, panel * 8).at(i & 7);
        const step = blockFloats(n, i >> 6);
        for (let group: usize = 0; group < groups; group++) {
          low = f32x4.add(low, column(at.at(group * step)));
          high = f32x4.add(high, column(at.at(group * step + 32)));
        }
      }
      low = f32x4.mul(low, scale);
      high = f32x4.mul(high, scale);
      rows.setLanes(i * n + panel * 8, low);
      rows.setLanes(i * n + panel * 8 + 4, high);
      panels.setLanes((panel * n + i) * 8, low);
      panels.setLanes((panel * n + i) * 8 + 4, high);
    }
}

/** Floats of a block of one group. */
function blockFloats(n: usize, block: usize): usize {
  return min(<usize>8, n / 8 - 8 * block) * min(n, 64 * (block + 1)) * 8;
}

/** The address of the first group's product of a row with a panel. */
function product(products: F32, groups: usize, n: usize, panel: usize, row: usize): F32 {
  const block = panel >> 3;
  let before: usize = 0;
  for (let b: usize = 0; b < block; b++) before += groups * blockFloats(n, b);
  return products.at(before + ((panel & 7) * min(n, 64 * (block + 1)) + row) * 8);
}

/** One lane of four rows of a panel. */
function column(at: F32): v128 {
  return f32x4(at[0], at[8], at[16], at[24]);
}

/**
 * The step's polynomial s·(a·I + b·A + c·A²), with s = 1/(‖M‖ + 1e-7) if X still has to be divided.
 * panels: f32 [n/8][n][8], A, which becomes the result; squares: f32 [n][n], A². Items: panels.
 */
export function muonPolynomial(
  panels: F32,
  squares: F32,
  n: usize,
  partial: F64,
  parts: usize,
  begin: usize,
  end: usize,
): void {
  const scale = inverseNorm(partial, parts);
  const one = <f32>(scale * A);
  const b = f32x4.splat(<f32>(scale * B));
  const c = f32x4.splat(<f32>(scale * C));
  for (let panel = begin; panel < end; panel++)
    for (let row: usize = 0; row < n; row++) {
      const to = panels.at((panel * n + row) * 8);
      const from = squares.at(row * n + panel * 8);
      to.setLanes(0, f32x4.add(f32x4.mul(b, to.lanes(0)), f32x4.mul(c, from.lanes(0))));
      to.setLanes(4, f32x4.add(f32x4.mul(b, to.lanes(4)), f32x4.mul(c, from.lanes(4))));
      if (row >> 3 === panel) to[row & 7] += one;
    }
}

/**
 * θ ← θ − rate·scale·X. p: f32 [panels][k][8], the weights; x as in `muonMomentum`; rate: f32 [1].
 * Items: panels × blocks of 64 of k.
 */
export function muonUpdate(
  p: F32,
  x: F32,
  rate: F32,
  scale: f64,
  k: usize,
  xk: usize,
  xo: usize,
  begin: usize,
  end: usize,
): void {
  const blocks = (k + ROWS - 1) / ROWS;
  const step = f32x4.splat(<f32>(<f64>rate[0] * scale));
  for (let item = begin; item < end; item++) {
    const panel = item / blocks;
    const first = (item % blocks) * ROWS;
    const last = min(first + ROWS, k);
    for (let row = first; row < last; row++)
      for (let half: usize = 0; half < 8; half += 4) {
        const at = (panel * k + row) * 8 + half;
        const from = x.at(row * xk + (panel * 8 + half) * xo);
        const u = xo === 1 ? from.lanes(0) : f32x4(from[0], from[xo], from[2 * xo], from[3 * xo]);
        p.setLanes(at, f32x4.sub(p.lanes(at), f32x4.mul(step, u)));
      }
  }
}
