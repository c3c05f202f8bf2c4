/**
 * The mean of each value and its neighbours, `window` in all; fewer at both ends, so that the curve begins and ends where the
 * values do. Null values do not count.
 */
export function smoothed(values: readonly (number | null)[], window: number): (number | null)[] {
  const half = Math.floor(Math.max(1, window) / 2);
  const sums = [0];
  const counts = [0];
  for (const [i, value] of values.entries()) {
    sums.push(sums[i]! + (value ?? 0));
    counts.push(counts[i]! + (value === null ? 0 : 1));
  }
  return values.map((value, i) => {
    // Equally many on both sides: a window that is cut on one side would be biased to the other.
    const reach = Math.min(half, i, values.length - 1 - i);
    const [from, to] = [i - reach, i + reach + 1];
    const count = counts[to]! - counts[from]!;
    return value === null || count === 0 ? null : (sums[to]! - sums[from]!) / count;
  });
}
