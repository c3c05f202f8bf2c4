import { LAST, type StepMetrics } from '../io/metrics.js';
import type { Now } from './messages.js';

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
    const { step, epoch, lr } = newest;
    const [loss, imagesPerSecond] = [over('loss'), over('imagesPerSecond')];
    return { step, epoch: epoch + 1, lr, loss, imagesPerSecond };
  }
}

const mean = (values: readonly number[]): number | null =>
  values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length;
