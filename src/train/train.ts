import { RunError } from '../errors.js';
import type { TrainOptions, TrainResult } from './options.js';

/** Placeholder until the training loop is merged. */
export function train(_options: TrainOptions): Promise<TrainResult> {
  throw new RunError('train: not part of this build yet');
}
