import { SANDWICH_SCRATCH, WEIGHT_BLOCK } from '../constants';
import { F32 } from '../f32';
import { sandwich } from './sandwich';
import { Taps } from './weights';

/**
 * dW = Gᵀ dU G like `fromWeightTiles`, from a dU whose rows are the output channels and whose columns the input channels,
 * [point][panels][rows][8], which results if the taps slide over dy. One phase; same items.
 * @param scratch f32[SANDWICH_SCRATCH + 4 · 144], the caller's own
 */
export function fromTurnedTiles<P>(
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
  const points = p.inputs * p.inputs;
  const sums = scratch.at(SANDWICH_SCRATCH);
  for (let item = <i32>begin; item < <i32>end; item++) {
    const panel = item / blocks;
    const first = (item % blocks) * WEIGHT_BLOCK;
    const to = dw.at((panel * g.taps + g.first) * tap);
    for (let ci = first; ci < min(first + WEIGHT_BLOCK, g.channels); ci += 4)
      for (let half = 0; half < 8; half += 4) {
        const from = du.at((ci >> 3) * g.panelStride + panel * 64 + half * 8 + (ci & 7));
        for (let point: usize = 0; point < points; point++)
          turn(sums.at(4 * point), 4 * points, from.at(point * g.plane), groups, groupStep);
        for (let i = 0; i < 4; i++)
          sandwich<P>(
            to.at((ci + i) * 8 + half),
            g.row * tap,
            g.column * tap,
            sums.at(<usize>i * 4 * points),
            p.inputs * 4,
            4,
            scratch,
          );
      }
  }
}

/** Column i of the 4 x 4 floats at `from`, summed over the groups, goes to `to` + i · step; rows are 8 floats apart. */
function turn(to: F32, step: usize, from: F32, groups: usize, groupStep: usize): void {
  let a = from.lanes(0);
  let b = from.lanes(8);
  let c = from.lanes(16);
  let d = from.lanes(24);
  for (let group: usize = 1; group < groups; group++) {
    from = from.at(groupStep);
    a = f32x4.add(a, from.lanes(0));
    b = f32x4.add(b, from.lanes(8));
    c = f32x4.add(c, from.lanes(16));
    d = f32x4.add(d, from.lanes(24));
  }
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const abHigh = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cdHigh = i32x4.shuffle(c, d, 2, 6, 3, 7);
  to.setLanes(0, i64x2.shuffle(ab, cd, 0, 2));
  to.setLanes(step, i64x2.shuffle(ab, cd, 1, 3));
  to.setLanes(2 * step, i64x2.shuffle(abHigh, cdHigh, 0, 2));
  to.setLanes(3 * step, i64x2.shuffle(abHigh, cdHigh, 1, 3));
}
