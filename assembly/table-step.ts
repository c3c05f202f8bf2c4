import { F32 } from './f32';

/**
 * Reverse step of any sampler, given by a row of coefficients:
 *   x̂_0 = clamp(a·x + b·m, ±range),
 *   out = c·x + d·x̂_0 + h·m + e₁·x̂_0⁽¹⁾ + e₂·x̂_0⁽²⁾ + e₃·x̂_0⁽³⁾ + g·z, element-wise,
 * with m the network's output and x̂_0⁽ⁿ⁾ the x̂_0 of n steps ago. Dynamic thresholding (Saharia et al. 2022, section 2.3) clamps
 * image i to ±limits[i] instead, and divides by limits[i].
 * row: f32[10] = [a, b, range, c, d, h, e₁, e₂, e₃, g]; what has an e or g of 0 is not read. NaN stays NaN.
 * out, x, output, z: f32[end]; out may alias any of them.
 * earlier, earliest, oldest: f32[end], x̂_0⁽¹⁾, x̂_0⁽²⁾ and x̂_0⁽³⁾, shifted by one step; null if they are not stored.
 * limits: f32[images], images of `each` values; null: the row's range. Touches [begin, end) only.
 */
export function tableStep(
  out: F32,
  x: F32,
  output: F32,
  z: F32,
  earlier: F32,
  earliest: F32,
  oldest: F32,
  limits: F32,
  each: usize,
  row: F32,
  begin: usize,
  end: usize,
): void {
  if (changetype<usize>(limits) === 0) {
    stepRange(out, x, output, z, earlier, earliest, oldest, row[2], false, row, begin, end);
    return;
  }
  let image = begin / each;
  for (let i = begin; i < end; image++) {
    const next = min((image + 1) * each, end);
    stepRange(out, x, output, z, earlier, earliest, oldest, limits[image], true, row, i, next);
    i = next;
  }
}

function stepRange(
  out: F32,
  x: F32,
  output: F32,
  z: F32,
  earlier: F32,
  earliest: F32,
  oldest: F32,
  limit: f32,
  divided: bool,
  row: F32,
  begin: usize,
  end: usize,
): void {
  const ofEarlier = row[6] !== 0;
  const ofEarliest = row[7] !== 0;
  const ofOldest = row[8] !== 0;
  const noisy = row[9] !== 0;
  const keeps = changetype<usize>(earlier) !== 0;
  const keepsTwo = changetype<usize>(earliest) !== 0;
  const keepsThree = changetype<usize>(oldest) !== 0;
  // In locals: as far as the compiler knows, out may alias the row.
  const ofX = row.splat(0);
  const ofOutput = row.splat(1);
  const kept = row.splat(3);
  const image = row.splat(4);
  const direct = row.splat(5);
  const past = row.splat(6);
  const farPast = row.splat(7);
  const furthestPast = row.splat(8);
  const noise = row.splat(9);
  const most = f32x4.splat(limit);
  const least = f32x4.neg(most);
  let i = begin;
  for (; i + 4 <= end; i += 4) {
    const v = x.lanes(i);
    const m = output.lanes(i);
    const foreseen = f32x4.add(f32x4.mul(ofX, v), f32x4.mul(ofOutput, m));
    let x0 = f32x4.max(least, f32x4.min(most, foreseen));
    if (divided) x0 = f32x4.div(x0, most);
    let next = f32x4.add(f32x4.mul(kept, v), f32x4.mul(image, x0));
    next = f32x4.add(next, f32x4.mul(direct, m));
    if (ofEarlier) next = f32x4.add(next, f32x4.mul(past, earlier.lanes(i)));
    if (ofEarliest) next = f32x4.add(next, f32x4.mul(farPast, earliest.lanes(i)));
    if (ofOldest) next = f32x4.add(next, f32x4.mul(furthestPast, oldest.lanes(i)));
    if (noisy) next = f32x4.add(next, f32x4.mul(noise, z.lanes(i)));
    if (keepsThree) oldest.setLanes(i, earliest.lanes(i));
    if (keepsTwo) earliest.setLanes(i, earlier.lanes(i));
    if (keeps) earlier.setLanes(i, x0);
    out.setLanes(i, next);
  }
  for (; i < end; i++) {
    const v = x[i];
    const m = output[i];
    let x0 = max<f32>(-limit, min<f32>(limit, row[0] * v + row[1] * m));
    if (divided) x0 = x0 / limit;
    let next = row[3] * v + row[4] * x0;
    next = next + row[5] * m;
    if (ofEarlier) next = next + row[6] * earlier[i];
    if (ofEarliest) next = next + row[7] * earliest[i];
    if (ofOldest) next = next + row[8] * oldest[i];
    if (noisy) next = next + row[9] * z[i];
    if (keepsThree) oldest[i] = earliest[i];
    if (keepsTwo) earliest[i] = earlier[i];
    if (keeps) earlier[i] = x0;
    out[i] = next;
  }
}
