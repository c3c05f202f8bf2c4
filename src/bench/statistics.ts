/** Medians and quartiles: unlike means, they are robust to a single disturbed round. */

/** The q-quantile of the list, interpolated. The list is not empty. */
export function quantile(list: readonly number[], q: number): number {
  const sorted = [...list].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low]! + (at - low) * (sorted[high]! - sorted[low]!);
}

export const median = (list: readonly number[]): number => quantile(list, 0.5);

export const quartiles = (list: readonly number[]): [low: number, high: number] => [
  quantile(list, 0.25),
  quantile(list, 0.75),
];

/**
 * What is compared of two results before they are timed: the mean, the root mean square, and eight evenly
 * spaced values.
 */
export function digest(values: ArrayLike<number>): number[] {
  const n = values.length;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < n; i++) {
    sum += values[i]!;
    squares += values[i]! ** 2;
  }
  const some = Array.from({ length: SAMPLES }, (_, k) => values[Math.floor((k * n) / SAMPLES)]!);
  return [sum / n, Math.sqrt(squares / n), ...some];
}

const SAMPLES = 8;

/** The largest difference of two digests over 1 + |expected|, among the entries that both have. */
export function difference(got: readonly number[], expected: readonly number[]): number {
  const both = Math.min(got.length, expected.length);
  let worst = 0;
  for (let i = 0; i < both; i++) {
    const d = Math.abs(got[i]! - expected[i]!) / (1 + Math.abs(expected[i]!));
    if (!(d <= worst)) worst = d;
  }
  return worst;
}
