/** Haze's paths for a piece of work, and with `--peers` those of others, measured in turns. */
import type { BenchOptions } from './options.js';
import type { Task } from './peer-list.js';
import { NO_PEERS, openPeers, PAUSE, type PeerOptions } from './peers.js';
import type { Missing, Work } from './result.js';
import { type Contender, measure } from './rounds.js';
import type { Findings } from './suite.js';

/** For pixels in [-1, 1]: a value near the middle between two levels may round either way. */
export const PIXEL_TOLERANCE = 0.02;

export interface BesidePeers {
  /** How far digests may differ, relative to 1 + |value|. */
  readonly tolerance: number;
  /** What peers are given; called only if there are any. */
  readonly task: () => Task | Promise<Task>;
  readonly peers: PeerOptions;
  /** Paths that are already known to be missing. */
  readonly missing?: readonly Missing[];
}

/** @throws CheckError if two of Haze's own paths give different results */
export async function measureBesidePeers(
  work: Work,
  own: readonly Contender[],
  { rounds, onNote, peers: wanted }: BenchOptions,
  { tolerance, task, peers: how, missing = [] }: BesidePeers,
): Promise<Findings> {
  const peers = wanted ? await openPeers(work, await task(), how) : NO_PEERS;
  const pause = peers.contenders.length > 0 ? PAUSE : 0;
  try {
    const all = [...own, ...peers.contenders];
    const results = await measure(work, all, { rounds, tolerance, pause, onNote });
    return { results, missing: [...missing, ...peers.missing], versions: peers.versions };
  } finally {
    await peers.close();
  }
}
