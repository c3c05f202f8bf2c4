/** One call of a phase as N workers would divide it: the duration of each piece of each worker's share, in any unit. */
export type DividedCall = readonly (readonly number[])[];

/**
 * When all workers have finished a phase that begins at 0: each takes the pieces of its own share of a call, then those that are
 * left of the others' shares, from the next worker on, and goes to the next call (`engine/claims.ts`).
 */
export function makespan(calls: readonly DividedCall[], workers: number): number {
  const taken = calls.map((shares) => shares.map(() => 0));
  const clocks = new Array<number>(workers).fill(0);
  const at = clocks.map(() => ({ call: 0, offset: 0 }));
  const busy = new Set(clocks.keys());
  while (busy.size > 0) {
    const rank = [...busy].reduce((first, next) => (clocks[next]! < clocks[first]! ? next : first));
    const place = at[rank]!;
    const shares = calls[place.call];
    if (!shares) {
      busy.delete(rank);
      continue;
    }
    const owner = (rank + place.offset) % workers;
    const piece = shares[owner]?.[taken[place.call]![owner]!++];
    if (piece !== undefined) clocks[rank]! += piece;
    else if (++place.offset === workers) at[rank] = { call: place.call + 1, offset: 0 };
  }
  return Math.max(...clocks);
}
