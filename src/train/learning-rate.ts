import type { TrainingConfig } from '../config/config.js';

/** The rate and how it changes. */
export type RateConfig = Pick<TrainingConfig, 'lr' | 'warmup' | 'decay' | 'decayFloor'>;

/**
 * The learning rate of a step: `lr`, reached linearly over the first `warmup` steps, times the decay, from 1 down to
 * the floor at the end of the run. With f the finished share of the run: linear 1 − f, cosine (1 + cos πf)/2.
 * @param step steps taken before it
 * @param total steps of the whole run
 */
export function learningRate(
  { lr, warmup, decay, decayFloor }: RateConfig,
  step: number,
  total: number,
): number {
  const rising = warmup > 0 ? Math.min(1, (step + 1) / warmup) : 1;
  const left = leftBy(decay, step / total);
  return lr * rising * (decay === 'constant' ? 1 : decayFloor + (1 - decayFloor) * left);
}

function leftBy(decay: TrainingConfig['decay'], done: number): number {
  switch (decay) {
    case 'constant':
      return 1;
    case 'linear':
      return 1 - done;
    case 'cosine':
      return (1 + Math.cos(Math.PI * done)) / 2;
    default:
      return decay satisfies never;
  }
}
