/** Peers as contenders: started for one piece of work and ended after it. */
import { RunError } from '../errors.js';
import { PEERS, type Peer, type Task } from './peer-list.js';
import { PeerProcess } from './peer-process.js';
import type { Missing, Path, Work } from './result.js';
import type { Contender } from './rounds.js';

export interface OpenPeers {
  readonly contenders: readonly Contender[];
  readonly missing: readonly Missing[];
  /** Versions by name. */
  readonly versions: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

export interface PeerOptions {
  /** Runs per turn; the median counts. */
  readonly repeat: number;
  /** How far the digest may be from Haze's, if not the work's tolerance. */
  readonly tolerance?: number;
  /** How many numbers of the digest can agree; default all. With another random generator, only mean and deviation. */
  readonly comparable?: number;
  /** How many results in a row are compared before anything is timed; default 1. */
  readonly checks?: number;
  /** Batches to try, if a peer may choose its own. */
  readonly batches?: readonly number[];
}

/** Milliseconds between turns with peers: OpenMP's threads spin before they sleep. */
export const PAUSE = 100;

/** Starts the peers that support the work. Those that cannot be started, or fail later, are reported with the reason. */
export async function openPeers(
  work: Work,
  task: Task,
  options: PeerOptions,
  wanted: (peer: Peer) => boolean = () => true,
): Promise<OpenPeers> {
  const open: PeerProcess[] = [];
  const missing: Missing[] = PEERS.filter(wanted).flatMap(({ name, cannot }) => {
    const why = cannot?.[work.what];
    return why === undefined ? [] : [{ ...work, by: name, why }];
  });
  const contenders: Contender[] = [];
  const versions: Record<string, string> = {};
  for (const peer of PEERS.filter((p) => p.works.includes(work.what) && wanted(p))) {
    const { network } = task;
    if (network && !(peer.networks ?? [network]).includes(network)) {
      missing.push({ ...work, by: peer.name, why: "it only has the reference's network" });
      continue;
    }
    const launch = await peer.launch(task);
    if ('missing' in launch) {
      missing.push({ ...work, by: peer.name, why: launch.missing });
      continue;
    }
    const process = new PeerProcess(peer.name, launch);
    try {
      await process.ready();
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      missing.push({ ...work, by: peer.name, why: error.message });
      continue;
    }
    open.push(process);
    versions[peer.name] = process.version;
    const threads = process.threads ?? task.threads;
    const onFailure = ({ message: why }: RunError) => {
      // Report it once, even if each of its batches fails.
      if (!missing.some((m) => m.by === peer.name)) missing.push({ ...work, by: peer.name, why });
    };
    for (const batch of options.batches ?? [undefined]) {
      const one = contender(process, work.what, threads, options, batch);
      contenders.push({ ...one, onFailure });
    }
  }
  const close = async () => {
    await Promise.all(open.map((process) => process.end()));
  };
  return { contenders, missing, versions, close };
}

function contender(
  process: PeerProcess,
  what: string,
  threads: number,
  { repeat, tolerance, comparable, checks = 1 }: PeerOptions,
  batch: number | undefined,
): Contender {
  const path: Path = {
    ...{ by: process.name, device: null, arithmetic: null, build: null, threads },
    ...(batch !== undefined && { batch }),
  };
  return {
    path,
    check: async () => {
      const digests: number[] = [];
      for (let i = 0; i < checks; i++)
        digests.push(...(await process.ask(what, 1, batch)).digest.slice(0, comparable));
      return digests;
    },
    turn: async () => (await process.ask(what, repeat, batch)).ms,
    ...(tolerance !== undefined && { tolerance }),
  };
}

/** No peers: for a run without `--peers`. */
export const NO_PEERS: OpenPeers = {
  contenders: [],
  missing: [],
  versions: {},
  close: async () => undefined,
};
