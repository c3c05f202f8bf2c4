/** Where the time of rounds goes that workers compute, and what goes through Redis. */
import { bytes } from '../units.js';

/** Milliseconds of a round by part. */
export interface RoundTimes {
  /** Of the coordinator: writing and sending what replicas begin with. */
  readonly upload: number;
  /** From the last job that was sent to the last result. */
  readonly wait: number;
  /** Fetching and reading what they ended with. */
  readonly download: number;
  /** Of the slowest worker: reading, computing and sending. */
  readonly load: number;
  readonly compute: number;
  readonly send: number;
}

/** Bytes of a run's rounds. */
export interface RoundBytes {
  /** From the coordinator, and to it. */
  readonly out: number;
  readonly back: number;
  /** In Redis at one time, the images among them. */
  readonly held: number;
}

export const bytesInWords = ({ out, back, held }: RoundBytes): string =>
  `a round sends ${bytes(out)} and brings back ${bytes(back)}; up to ${bytes(held)} lie in Redis`;

const PARTS = ['upload', 'wait', 'download', 'load', 'compute', 'send'] as const;

/** Sums of rounds. */
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
   * Of a round in the mean; null before there was one.
   * @param averaging milliseconds that bringing the replicas together took in all
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
