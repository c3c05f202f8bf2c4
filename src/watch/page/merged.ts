import type { Column, Curve } from '../messages.js';

/** A curve with its newer values added. */
export function merged(old: Curve, next: Curve): Curve {
  if (next.from === 0 || next.generation !== old.generation) return { ...next, from: 0 };
  const joined = <T>(a: readonly T[], b: readonly T[]): T[] => [...a.slice(0, next.from), ...b];
  const nothing: null[] = new Array(next.from).fill(null);
  const columns = (a: Readonly<Record<string, Column>>, b: Readonly<Record<string, Column>>) =>
    Object.fromEntries(
      Object.entries(b).map(([name, column]) => [name, joined(a[name] ?? nothing, column)]),
    );
  return {
    ...next,
    from: 0,
    first: joined(old.first, next.first),
    last: joined(old.last, next.last),
    means: columns(old.means, next.means),
    lows: columns(old.lows, next.lows),
    highs: columns(old.highs, next.highs),
  };
}
