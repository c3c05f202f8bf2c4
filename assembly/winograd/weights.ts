import { SANDWICH_SCRATCH, WEIGHT_BLOCK } from '../constants';
import { F32 } from '../f32';
import { sandwich } from './sandwich';

/**
 * The layout of the taps of a convolution's weight W[Cout/8][taps][Cin][8], and of their transforms.
 * Written by the host (src/engine/winograd/geometry.ts). Tap (a, b) of phase (py, px) is
 * `first + py·phaseRow + px·phaseColumn + a·row + b·column`; its transform U of point p is at
 * `p·plane + phase·phaseStride + panel·panelStride + ci·8`. Strides in floats.
 */
@unmanaged
export class Taps {
  /** Which F(m, r): 43, 23, 42 or 22. */
  algorithm: i32;
  /** Cin; a multiple of 8. */
  channels: i32;
  taps: i32;
  phases: i32;
  first: i32;
  phaseRow: i32;
  phaseColumn: i32;
  row: i32;
  column: i32;
  plane: i32;
  phaseStride: i32;
  panelStride: i32;
}

/**
 * U = G W Gᵀ for each pair of channels, with P = G. Items: panels x blocks of 16 input channels.
 * @param scratch f32[SANDWICH_SCRATCH], the caller's own
 */
export function toWeightTiles<P>(
  u: F32,
  w: F32,
  g: Taps,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const p = changetype<P>(0);
  const blocks = (g.channels + WEIGHT_BLOCK - 1) / WEIGHT_BLOCK;
  const tap = g.channels * 8;
  for (let item = <i32>begin; item < <i32>end; item++) {
    const panel = item / blocks;
    const ci = (item % blocks) * WEIGHT_BLOCK;
    const floats = <usize>(8 * min(WEIGHT_BLOCK, g.channels - ci));
    for (let phase = 0; phase < g.phases; phase++) {
      const corner = g.first + (phase >> 1) * g.phaseRow + (phase & 1) * g.phaseColumn;
      const from = w.at((panel * g.taps + corner) * tap + ci * 8);
      const to = u.at(phase * g.phaseStride + panel * g.panelStride + ci * 8);
      for (let c: usize = 0; c < floats; c += 4) {
        sandwich<P>(
          to.at(c),
          p.outputs * <usize>g.plane,
          g.plane,
          from.at(c),
          g.row * tap,
          g.column * tap,
          scratch,
        );
      }
    }
  }
}

/**
 * dW = Gᵀ dU G for each pair of channels, with P = Gᵀ: the adjoint of `toWeightTiles`, same items.
 * @param groups how many dU to add up, in order: each `groupStep` floats after the one before
 * @param scratch f32[SANDWICH_SCRATCH + 144], the caller's own
 */
export function fromWeightTiles<P>(
  dw: F32,
  du: F32,
  g: Taps,
  groups: usize,
  groupStep: usize,
  scratch: F32,
  begin: usize,
  end: usize,
): void {
  const p = changetype<P>(0);
  const blocks = (g.channels + WEIGHT_BLOCK - 1) / WEIGHT_BLOCK;
  const tap = g.channels * 8;
  const sums = scratch.at(SANDWICH_SCRATCH);
  for (let item = <i32>begin; item < <i32>end; item++) {
    const panel = item / blocks;
    const ci = (item % blocks) * WEIGHT_BLOCK;
    const floats = <usize>(8 * min(WEIGHT_BLOCK, g.channels - ci));
    for (let phase = 0; phase < g.phases; phase++) {
      const corner = g.first + (phase >> 1) * g.phaseRow + (phase & 1) * g.phaseColumn;
      const to = dw.at((panel * g.taps + corner) * tap + ci * 8);
      const from = du.at(phase * g.phaseStride + panel * g.panelStride + ci * 8);
      for (let c: usize = 0; c < floats; c += 4) {
        let points = from.at(c);
        let step = <usize>g.plane;
        if (groups > 1) {
          addGroups(sums, points, p.inputs * p.inputs, step, groups, groupStep);
          points = sums;
          step = 4;
        }
        sandwich<P>(to.at(c), g.row * tap, g.column * tap, points, p.inputs * step, step, scratch);
      }
    }
  }
}

/** sums[point] = Σ over the groups of du[point], with `plane` floats per point. */
function addGroups(
  sums: F32,
  du: F32,
  points: usize,
  plane: usize,
  groups: usize,
  groupStep: usize,
): void {
  for (let point: usize = 0; point < points; point++) {
    const from = du.at(point * plane);
    let sum = from.lanes(0);
    for (let group: usize = 1; group < groups; group++) {
      sum = f32x4.add(sum, from.lanes(group * groupStep));
    }
    sums.setLanes(4 * point, sum);
  }
}
