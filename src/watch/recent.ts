import type { StepMetrics } from '../io/metrics.js';
import type { Now } from './messages.js';

/** Number of steps in the means that the page shows as current, the same as in the summary of `haze train`. */
const LAST = 40;

/** Limits for the parts of a step and the length of their names: Haze's own logs stay below. */
const MOST_PARTS = 32;
const LONGEST_PART = 100;

/** The last steps of a run. */
export class Recent {
  private steps: StepMetrics[] = [];

  add(step: StepMetrics): void {
    this.steps.push(step);
    if (this.steps.length > LAST) this.steps.shift();
  }

  /** Mean seconds per step; null before the first step. */
  secondsPerStep(imagesPerStep: number): number | null {
    const rates = this.steps
      .map(({ imagesPerSecond }) => imagesPerSecond)
      .filter((rate) => rate > 0);
    return rates.length === 0 ? null : mean(rates.map((rate) => imagesPerStep / rate));
  }

  now(): Now | null {
    const newest = this.steps.at(-1);
    if (!newest) return null;
    const over = (name: 'loss' | 'imagesPerSecond') =>
      mean(this.steps.map((step) => step[name]).filter(Number.isFinite));
    const ms: Record<string, number> = Object.create(null);
    for (const part of partsOf(newest))
      ms[part] = mean(this.steps.map((step) => step.ms[part] ?? 0)) ?? 0;
    const { step, epoch, lr } = newest;
    return {
      step,
      epoch: epoch + 1,
      lr,
      loss: over('loss'),
      imagesPerSecond: over('imagesPerSecond'),
      ms,
    };
  }
}

/** The timed parts of a step. */
export const partsOf = ({ ms }: StepMetrics): string[] =>
  Object.keys(ms)
    .filter((part) => part.length <= LONGEST_PART && Number.isFinite(ms[part]))
    .slice(0, MOST_PARTS);

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length;
