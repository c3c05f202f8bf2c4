import { RunError } from '../errors.js';
import type { Evaluation } from './options.js';

/** A file of an evaluation could not be written: its figures, which took all the work, are still there. */
export class NotWritten extends RunError {
  readonly evaluation: Evaluation;

  constructor(reason: Error, evaluation: Evaluation) {
    super(reason.message, { cause: reason });
    this.evaluation = evaluation;
  }
}
