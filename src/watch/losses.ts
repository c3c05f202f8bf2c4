import { join } from 'node:path';
import { type Metrics, parseMetrics, QUARTERS, type StepMetrics } from '../io/metrics.js';
import { plural } from '../units.js';
import { FollowedFile, type Progress } from './followed-file.js';
import { Recent } from './recent.js';
import { Thinned } from './thinned.js';

/** Parts of a step that are shown, and characters of their names; a log that has more of either is not one of ours. */
const MOST_PARTS = 32;
const LONGEST_PART = 100;

/** The numbers of a run's metrics.jsonl, read as it grows. */
export class Losses {
  steps = new Thinned(['loss']);
  heldOuts = new Thinned([]);
  recent = new Recent();
  heldOut: { step: number; loss: number } | null = null;
  private unsound = 0;
  private readonly file: FollowedFile;

  constructor(root: string, folder: string) {
    this.file = new FollowedFile(
      root,
      join(folder, 'metrics.jsonl'),
      (line) => this.take(line),
      () => this.forget(),
    );
  }

  /** Reads what is new. @throws as `FollowedFile.follow` does */
  follow(): Promise<Progress> {
    return this.file.follow();
  }

  faults(): string[] {
    if (this.unsound === 0) return [];
    return [`metrics.jsonl: ${plural(this.unsound, 'line')} skipped: not metrics, or out of order`];
  }

  private forget(): void {
    this.steps = new Thinned(['loss']);
    this.heldOuts = new Thinned([]);
    this.recent = new Recent();
    this.heldOut = null;
    this.unsound = 0;
  }

  private take(line: string): void {
    const metrics = parseMetrics(line);
    if (!metrics || !this.add(metrics)) this.unsound++;
  }

  private add(metrics: Metrics): boolean {
    const { step, epoch } = metrics;
    const curve = 'loss' in metrics ? this.steps : this.heldOuts;
    if (![step, epoch].every(Number.isSafeInteger) || step <= curve.step) return false;
    if ('loss' in metrics) this.addStep(metrics);
    else {
      this.heldOuts.add(step, [['heldOutLoss', metrics.heldOutLoss]]);
      if (Number.isFinite(metrics.heldOutLoss)) this.heldOut = { step, loss: metrics.heldOutLoss };
    }
    return true;
  }

  private addStep(metrics: StepMetrics): void {
    const { step, loss, lr, imagesPerSecond, ms } = metrics;
    this.recent.add(metrics);
    const values: [string, number][] = [
      ['loss', loss],
      ['lr', lr],
      ['imagesPerSecond', imagesPerSecond],
    ];
    for (const quarter of QUARTERS) {
      const value = metrics[quarter];
      if (typeof value === 'number') values.push([quarter, value]);
    }
    for (const part of partsOf(metrics)) values.push([`ms ${part}`, ms[part]!]);
    this.steps.add(step, values);
  }
}

/** What a log says took time in a step. */
const partsOf = ({ ms }: StepMetrics): string[] =>
  Object.keys(ms)
    .filter((part) => part.length <= LONGEST_PART && Number.isFinite(ms[part]))
    .slice(0, MOST_PARTS);
