import { F32 } from '../f32';
import { accumulate } from './accumulate';
import { gradientDeep, multiplyDeep } from './deep';
import { Weight22, WeightGradient22 } from './f22';
import { Weight23, WeightGradient23 } from './f23';
import { Weight42, WeightGradient42 } from './f42';
import { Weight43, WeightGradient43 } from './f43';
import { multiply } from './multiply';
import { following, Tiling } from './tiling';
import { gradientTiles, inputTiles, outputTiles } from './transforms';
import { fromTurnedTiles } from './turned-weights';
import { fromWeightTiles, Taps, toWeightTiles } from './weights';

/*
 * Winograd's minimal filtering, Lavin and Gray (2016): Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A for each tile, summed over the
 * input channels between ⊙ and Aᵀ, so that the sums are one matrix product for each of the n² points. The
 * transforms select the algorithm by number; the products between them are in multiply.ts and accumulate.ts.
 */
/** `inputTiles` for planes anywhere in memory. */
export function winogradInput(
  v: F32,
  x: F32,
  g: Tiling,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  inputTiles(v, x, g, scale, shift, shiftStep, first, count, scratch, begin, end);
}

/** `gradientTiles` for planes anywhere in memory. */
export function winogradGradient(
  v: F32,
  x: F32,
  g: Tiling,
  scale: F32,
  shift: F32,
  shiftStep: usize,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  gradientTiles(v, x, g, scale, shift, shiftStep, first, count, scratch, begin, end);
}

/** M = V · U, point by point; `g` is the tiling of the input, then that of the output. See `multiply`. */
export function winogradMultiply(
  m: F32,
  v: F32,
  u: F32,
  g: Tiling,
  k: usize,
  panels: usize,
  quads: usize,
  uPlane: usize,
  begin: usize,
  end: usize,
): void {
  multiply(m, v, u, g, following(g), k, panels, quads, uPlane, begin, end);
}

/** dU (+)= Vᵀ · D, point by point; `g` is the tiling of V, then that of D. See `accumulate`. */
export function winogradAccumulate(
  du: F32,
  v: F32,
  d: F32,
  g: Tiling,
  rows: usize,
  panels: usize,
  tiles: usize,
  duPlane: usize,
  more: i32,
  begin: usize,
  end: usize,
): void {
  accumulate(du, v, d, g, following(g), rows, panels, tiles, duPlane, more, begin, end);
}

/** `outputTiles` for planes anywhere in memory. */
export function winogradOutput(
  y: F32,
  m: F32,
  g: Tiling,
  bias: F32,
  flags: i32,
  first: i32,
  count: i32,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  outputTiles(y, m, g, bias, flags, first, count, scratch, begin, end);
}

/** U = G W Gᵀ; see `toWeightTiles`. */
export function winogradWeights(
  u: F32,
  w: F32,
  g: Taps,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const a = g.algorithm;
  if (a === 43) toWeightTiles<Weight43>(u, w, g, scratch, begin, end);
  if (a === 23) toWeightTiles<Weight23>(u, w, g, scratch, begin, end);
  if (a === 42) toWeightTiles<Weight42>(u, w, g, scratch, begin, end);
  if (a === 22) toWeightTiles<Weight22>(u, w, g, scratch, begin, end);
}

/** dW = Gᵀ dU G; see `fromWeightTiles`. */
export function winogradWeightGradient(
  dw: F32,
  du: F32,
  g: Taps,
  groups: usize,
  step: usize,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const a = g.algorithm;
  if (a === 43) fromWeightTiles<WeightGradient43>(dw, du, g, groups, step, scratch, begin, end);
  if (a === 23) fromWeightTiles<WeightGradient23>(dw, du, g, groups, step, scratch, begin, end);
  if (a === 42) fromWeightTiles<WeightGradient42>(dw, du, g, groups, step, scratch, begin, end);
  if (a === 22) fromWeightTiles<WeightGradient22>(dw, du, g, groups, step, scratch, begin, end);
}

/** dW of `winogradBackward`, whose dU is transposed; see `fromTurnedTiles`. */
export function winogradTurnedGradient(
  dw: F32,
  du: F32,
  g: Taps,
  groups: usize,
  step: usize,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const a = g.algorithm;
  if (a === 43) fromTurnedTiles<WeightGradient43>(dw, du, g, groups, step, scratch, begin, end);
  if (a === 23) fromTurnedTiles<WeightGradient23>(dw, du, g, groups, step, scratch, begin, end);
}

/** The products of a layer with few tiles, whose weights are transformed on the fly; see `multiplyDeep`. */
export function winogradMultiplyDeep(
  m: F32,
  v: F32,
  w: F32,
  g: Taps,
  k: usize,
  panels: usize,
  quads: usize,
  group: usize,
  mPlane: usize,
  vPlane: usize,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const a = g.algorithm;
  if (a === 43) {
    multiplyDeep<Weight43>(
      m,
      v,
      w,
      g,
      k,
      panels,
      quads,
      group,
      mPlane,
      vPlane,
      scratch,
      begin,
      end,
    );
  }
  if (a === 23) {
    multiplyDeep<Weight23>(
      m,
      v,
      w,
      g,
      k,
      panels,
      quads,
      group,
      mPlane,
      vPlane,
      scratch,
      begin,
      end,
    );
  }
  if (a === 42) {
    multiplyDeep<Weight42>(
      m,
      v,
      w,
      g,
      k,
      panels,
      quads,
      group,
      mPlane,
      vPlane,
      scratch,
      begin,
      end,
    );
  }
  if (a === 22) {
    multiplyDeep<Weight22>(
      m,
      v,
      w,
      g,
      k,
      panels,
      quads,
      group,
      mPlane,
      vPlane,
      scratch,
      begin,
      end,
    );
  }
}

/** The weight gradient of a layer with few tiles; see `gradientDeep`. */
export function winogradGradientDeep(
  dw: F32,
  v: F32,
  d: F32,
  g: Taps,
  rows: usize,
  panels: usize,
  room: usize,
  tiles: usize,
  vPlane: usize,
  dPlane: usize,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const a = g.algorithm;
  if (a === 43) {
    gradientDeep<WeightGradient43>(
      dw,
      v,
      d,
      g,
      rows,
      panels,
      room,
      tiles,
      vPlane,
      dPlane,
      scratch,
      begin,
      end,
    );
  }
  if (a === 23) {
    gradientDeep<WeightGradient23>(
      dw,
      v,
      d,
      g,
      rows,
      panels,
      room,
      tiles,
      vPlane,
      dPlane,
      scratch,
      begin,
      end,
    );
  }
  if (a === 42) {
    gradientDeep<WeightGradient42>(
      dw,
      v,
      d,
      g,
      rows,
      panels,
      room,
      tiles,
      vPlane,
      dPlane,
      scratch,
      begin,
      end,
    );
  }
  if (a === 22) {
    gradientDeep<WeightGradient22>(
      dw,
      v,
      d,
      g,
      rows,
      panels,
      room,
      tiles,
      vPlane,
      dPlane,
      scratch,
      begin,
      end,
    );
  }
}
