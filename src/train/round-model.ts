/**
 * What a round through a queue takes, by arithmetic: computing, bytes, bandwidths and stragglers. Redis stands between all, so its own
 * link carries what the coordinator and every worker send and fetch; links are as fast in either direction.
 */

/** A cluster and what it trains. */
export interface Cluster {
  readonly workers: number;
  readonly replicas: number;
  /** Parameters of the network. */
  readonly parameters: number;
  /** Averages of the weights that are kept. */
  readonly averages: number;
  /** Steps of a round, and seconds that one takes a worker. */
  readonly steps: number;
  readonly stepSeconds: number;
  /** Standard deviation of the time that a job takes, as a share of it: machines that are slower, or busy. */
  readonly spread: number;
  /** Bytes a second of a worker's link, of Redis's and of the coordinator's. */
  readonly workerLink: number;
  readonly redisLink: number;
  readonly coordinatorLink: number;
  /** Seconds for which the coordinator averages a replica's parameters. */
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
  /** Of the steps alone, without waiting for the slowest, in the total. */
  readonly efficiency: number;
}

/**
 * The largest of n normal deviates, in the mean and nearly: √(2 ln n) less its first correction (Cramér, 1946); of one it is 0.
 */
export function expectedMaximum(n: number): number {
  if (n < 2) return 0;
  const root = Math.sqrt(2 * Math.log(n));
  return root - (Math.log(Math.log(n)) + Math.log(4 * Math.PI)) / (2 * root) + EULER / root;
}

/** Euler's constant: the mean of the Gumbel distribution that maxima have. */
const EULER = 0.577_215_664_9;

export function roundCost(cluster: Cluster): RoundCost {
  const { workers, replicas, parameters, averages, steps, stepSeconds, spread } = cluster;
  const { workerLink, redisLink, coordinatorLink, averageSeconds } = cluster;
  const weights = 4 * parameters * (1 + averages);
  const moments = 8 * parameters;
  const busy = Math.min(workers, replicas);
  /** Jobs that the busiest worker takes, one after the other. */
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
