import { F32 } from '../f32';

/*
 * Whether scores can be so large that their exponentials need the maximum of the row. Usually they cannot: with
 * |q · k| <= Σ_c |q_c| · max |k_c| below a limit, 2^score is safe, and no maximum, difference or lower bound
 * is needed, which saves a tenth of the time for heads of eight channels.
 */

/** Scores up to this and their sums, times anything below 2⁶⁰, are far from both ends of f32's range. */
const LIMIT: f32 = 60;

/** largest[c] = max |k_c| over all keys, from the groups that `packGroups` made of `deep` channels. Ignores NaN. */
export function largestChannels(largest: F32, groups: F32, quads: usize, deep: usize): void {
  for (let c: usize = 0; c < deep; c += 4) largest.setLanes(c, f32x4.splat(0));
  for (let quad: usize = 0; quad < quads; quad++)
    for (let c: usize = 0; c < deep; c += 4) {
      const low = f32x4.pmax(f32x4.abs(groups.lanes(0)), f32x4.abs(groups.lanes(4)));
      const high = f32x4.pmax(f32x4.abs(groups.lanes(8)), f32x4.abs(groups.lanes(12)));
      largest.setLanes(c, f32x4.pmax(largest.lanes(c), f32x4.pmax(low, high)));
      groups = groups.at(16);
    }
}

/** Whether all scores of eight queries, the columns [deep][8], are within the limit; false if one is NaN. */
export function bounded(columns: F32, largest: F32, deep: usize): bool {
  let low = f32x4.splat(0);
  let high = low;
  for (let c: usize = 0; c < deep; c++) {
    const most = largest.splat(c);
    low = f32x4.add(low, f32x4.mul(f32x4.abs(columns.lanes(8 * c)), most));
    high = f32x4.add(high, f32x4.mul(f32x4.abs(columns.lanes(8 * c + 4)), most));
  }
  const limit = f32x4.splat(LIMIT);
  return i32x4.all_true(v128.and(f32x4.lt(low, limit), f32x4.lt(high, limit)));
}
