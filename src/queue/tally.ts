/** What a worker process has done, whichever kinds of jobs it takes: the numbers of its announcement. */
import { printable } from '../printable.js';
import { Rate, type WorkerSign } from './board.js';

/** Most characters of a reason in an announcement. */
const LONGEST = 300;

type Unit = 'images' | 'steps';

export class Tally {
  /** Number of concurrent batches of images. */
  lanes = 1;
  private readonly start = performance.now();
  private readonly counts: Record<Unit, number> = { images: 0, steps: 0 };
  private readonly rates: Readonly<Record<Unit, Rate>> = { images: new Rate(), steps: new Rate() };
  private failed = 0;
  private inARow = 0;
  private reason = '';

  /** Records a job. Returns the total and its rate per second. */
  done(unit: Unit, count: number): { readonly count: number; readonly perSecond: number } {
    this.inARow = 0;
    this.reason = '';
    this.counts[unit] += count;
    const total = this.counts[unit];
    return { count: total, perSecond: this.rates[unit].of(total) };
  }

  count(unit: Unit): number {
    return this.counts[unit];
  }

  /** Records a job that failed here. @param everywhere whether the job itself is at fault, and no machine */
  fail(reason: string, everywhere: boolean): void {
    this.failed++;
    if (everywhere) return;
    this.inARow++;
    this.reason = printable(reason).slice(0, LONGEST);
  }

  get sign(): Omit<WorkerSign, 'name' | 'build'> {
    const { lanes, counts, rates, failed, inARow, reason } = this;
    return {
      lanes,
      seconds: Math.round((performance.now() - this.start) / 1000),
      images: counts.images,
      imagesPerSecond: rates.images.of(counts.images),
      steps: counts.steps,
      stepsPerSecond: rates.steps.of(counts.steps),
      ...{ failed, inARow, reason },
    };
  }
}
