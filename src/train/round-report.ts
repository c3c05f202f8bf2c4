/** Where the time of rounds on workers goes, and how many bytes go through Redis. */
import { bytes } from '../units.js';

/** Milliseconds of a round by part. */
export interface RoundTimes {
  /** Coordinator: writing and sending the replicas' initial state. */
  readonly upload: number;
  /** From the last job sent to the last result. */
  readonly wait: number;
  /** Coordinator: fetching and reading the results. */
  readonly download: number;
  /** Slowest worker: loading, computing and sending. */
  readonly load: number;
  readonly compute: number;
  readonly send: number;
}

/** Bytes of a run's rounds. */
export interface RoundBytes {
  /** Sent and received by the coordinator. */
  readonly out: number;
  readonly back: number;
  /** Largest amount in Redis at a time, including the images. */
  readonly held: number;
}

export const bytesInWords = ({ out, back, held }: RoundBytes): string =>
  `a round sends ${bytes(out)} and brings back ${bytes(back)}; up to ${bytes(held)} lie in Redis`;

const PARTS = ['upload', 'wait', 'download', 'load', 'compute', 'send'] as const;

/** Sums over rounds. */
export class RoundReport {
  private readonly sums = new Map<string, number>();
  private rounds = 0;
  private total = 0;

  add(times: RoundTimes, total: number): void {
    this.rounds++;
    this.total += total;
    for (const part of PARTS) this.sums.set(part, (this.sums.get(part) ?? 0) + times[part]);
  }

  /**
   * Means per round; null before the first one.
   * @param averaging total milliseconds of the outer steps
   */
  inWords(averaging: number): string | null {
    const { rounds } = this;
    if (rounds === 0) return null;
    const each = (sum: number) => `${(sum / rounds / 1000).toFixed(2)} s`;
    const of = (part: (typeof PARTS)[number]) => each(this.sums.get(part)!);
    return (
      `a round takes ${each(this.total + averaging)}, of which the slowest worker computes ${of('compute')}, loads ${of('load')} and sends ${of('send')}; ` +
      `here upload ${of('upload')}, download ${of('download')}, average ${each(averaging)}`
    );
  }
}
