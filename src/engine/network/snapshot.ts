/** The state that training steps change, in the engine's layout: copies let several trainings take turns in one network. */

export interface Snapshot {
  readonly weights: Float32Array;
  /** Running statistics. */
  readonly statistics: Float32Array;
  /** Weights and running statistics of each average. */
  readonly averages: readonly Float32Array[];
  /** First and second moments, or none. */
  readonly moments: readonly Float32Array[];
  /** Number of batches each norm has seen. */
  batches: Map<string, bigint>;
  /** The optimizer's step count. */
  steps: number;
}

/** An independent copy. */
export const copyOf = (snapshot: Snapshot): Snapshot => ({
  weights: snapshot.weights.slice(),
  statistics: snapshot.statistics.slice(),
  averages: snapshot.averages.map((array) => array.slice()),
  moments: snapshot.moments.map((array) => array.slice()),
  batches: new Map(snapshot.batches),
  steps: snapshot.steps,
});

/** Copies one over another, for the parts that both have. */
export function copyInto(to: Snapshot, from: Snapshot): void {
  const pairs: (readonly [Float32Array, Float32Array])[] = [
    [to.weights, from.weights],
    [to.statistics, from.statistics],
    ...to.averages.map((array, i) => [array, from.averages[i]!] as const),
    ...(from.moments.length === 0 ? [] : to.moments).map(
      (array, i) => [array, from.moments[i]!] as const,
    ),
  ];
  for (const [out, values] of pairs) out.set(values);
  to.batches = new Map(from.batches);
  if (from.moments.length > 0) to.steps = from.steps;
}
