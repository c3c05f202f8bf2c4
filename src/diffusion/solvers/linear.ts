/**
 * Solves A·x = b by Gaussian elimination with partial pivoting, for the few equations of a solver's weights.
 * @param rows A, square and of full rank
 */
export function solve(rows: readonly (readonly number[])[], b: readonly number[]): number[] {
  const a = rows.map((row, i) => [...row, b[i]!]);
  for (let i = 0; i < a.length; i++) {
    const rest = a.slice(i).map((row) => Math.abs(row[i]!));
    const pivot = i + rest.indexOf(Math.max(...rest));
    [a[i], a[pivot]] = [a[pivot]!, a[i]!];
    for (const row of a.slice(i + 1)) subtract(row, a[i]!, row[i]! / a[i]![i]!);
  }
  const x: number[] = [];
  for (let i = a.length - 1; i >= 0; i--) {
    const known = x.reduce((sum, value, k) => sum + value * a[i]![i + 1 + k]!, 0);
    x.unshift((a[i]!.at(-1)! - known) / a[i]![i]!);
  }
  return x;
}

function subtract(row: number[], from: readonly number[], factor: number): void {
  for (const [k, value] of from.entries()) row[k]! -= factor * value;
}
