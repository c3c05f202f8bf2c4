import { RunError } from '../errors.js';
import type { SampleOptions, SampleResult } from './options.js';

/** Placeholder until sampling is merged. */
export function sample(_options: SampleOptions): Promise<SampleResult> {
  throw new RunError('sample: not part of this build yet');
}
