/** A replica's share of a step's images: the r-th of R equal parts. */
import type { Batch } from '../data/batches.js';

/** A replica's images of a step, and the index of the first. */
export interface ReplicaBatch extends Omit<Batch, 'epoch'> {
  readonly first: number;
}

export function ofReplica(batch: Batch, replica: number, replicas: number): ReplicaBatch {
  const { step, indices, flips, t, labels } = batch;
  const count = indices.length / replicas;
  const first = replica * count;
  const end = first + count;
  return {
    ...{ step, first },
    indices: indices.subarray(first, end),
    flips: flips.subarray(first, end),
    t: t.subarray(first, end),
    ...(labels && { labels: labels.subarray(first, end) }),
  };
}
