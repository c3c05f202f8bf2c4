/**
 * Computes the time of a round through a queue from compute time, bytes, bandwidths and stragglers. All data go through Redis, so its
 * link carries everything that the coordinator and the workers send and fetch; links are equally fast in both directions.
 */

/** A cluster and its training run. */
export interface Cluster {
  readonly workers: number;
  readonly replicas: number;
  /** Parameters of the network. */
  readonly parameters: number;
  /** Number of averages of the weights. */
  readonly averages: number;
  /** Steps of a round, and seconds of a worker per step. */
  readonly steps: number;
  readonly stepSeconds: number;
  /** Relative standard deviation of a job's time: some machines are slower, or busy. */
  readonly spread: number;
  /** Bytes per second of a worker's link, of Redis's and of the coordinator's. */
  readonly workerLink: number;
  readonly redisLink: number;
  readonly coordinatorLink: number;
  /** Seconds for averaging one replica's parameters. */
  readonly averageSeconds: number;
}

/** Seconds of a round by part, and bytes. */
export interface RoundCost {
  /** Weights from the coordinator to Redis. */
  readonly upload: number;
  /** Weights and moments from Redis to the workers. */
  readonly load: number;
  /** The last worker's steps. */
  readonly compute: number;
  /** From the workers to Redis. */
  readonly send: number;
  /** From Redis to the coordinator. */
  readonly download: number;
  readonly average: number;
  readonly total: number;
  /** Through Redis's link, in and out. */
  readonly bytes: number;
  /** Share of the total spent on the steps, without waiting for the slowest worker. */
  readonly efficiency: number;
}

/**
 * Approximate mean of the largest of n normal deviates: √(2 ln n) minus its first correction (Cramér, 1946); 0 for one.
 */
export function expectedMaximum(n: number): number {
  if (n < 2) return 0;
  const root = Math.sqrt(2 * Math.log(n));
  return root - (Math.log(Math.log(n)) + Math.log(4 * Math.PI)) / (2 * root) + EULER / root;
}

/** Euler's constant: the mean of the Gumbel distribution of maxima. */
const EULER = 0.577_215_664_9;

export function roundCost(cluster: Cluster): RoundCost {
  const { workers, replicas, parameters, averages, steps, stepSeconds, spread } = cluster;
  const { workerLink, redisLink, coordinatorLink, averageSeconds } = cluster;
  const weights = 4 * parameters * (1 + averages);
  const moments = 8 * parameters;
  const busy = Math.min(workers, replicas);
  /** Jobs of the busiest worker, one after the other. */
  const turns = Math.ceil(replicas / workers);
  // A worker fetches the weights once, and each replica's moments.
  const fetched = busy * weights + replicas * moments;
  const sent = replicas * (weights + moments);
  const upload = weights / Math.min(coordinatorLink, redisLink);
  const load = Math.max((weights + turns * moments) / workerLink, fetched / redisLink);
  const work = turns * steps * stepSeconds;
  const compute = work * (1 + (spread * expectedMaximum(busy)) / Math.sqrt(turns));
  const send = Math.max((turns * (weights + moments)) / workerLink, sent / redisLink);
  const download = sent / Math.min(coordinatorLink, redisLink);
  const average = replicas * averageSeconds;
  const total = upload + load + compute + send + download + average;
  return {
    ...{ upload, load, compute, send, download, average, total },
    bytes: weights + fetched + 2 * sent,
    efficiency: work / total,
  };
}
