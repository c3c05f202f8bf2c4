/** The step of a run whose weights are kept, for sampling to be guided away from (autoguidance, Karras et al. 2024). */
import { UsageError } from '../errors.js';
import type { Flags } from './flag.js';
import { quote, type Source } from './source.js';

/** A guide of more of the run's steps would be too much like the model to guide away from. */
const MOST = 0.25;

export const keptGuideFlag: Flags = {
  'keep-guide': {
    describe:
      'Keep the weights after this share of the steps, or, from 1 on, after this many (at most a quarter of them), for sampling to be guided away from (autoguidance)',
    value: 'X|N|none',
    default: 'none',
  },
};

/** Null is none. @throws UsageError for what is neither a share nor a number of steps */
export function readKeptGuide(source: Source): number | null | undefined {
  const given = source.realOr('keepGuide', { above: 0, max: 1e9 }, ['none']);
  if (given === 'none') return null;
  if (given !== undefined && given > 1 && !Number.isInteger(given))
    throw new UsageError(
      `${source.where('keepGuide')}: expected a share below 1, or a whole number of steps, got ${quote(String(given))}`,
    );
  return given;
}

/**
 * The step, counted from 1, of a run of `total` steps; null for none. The last step's weights are the model itself, which guides
 * nowhere: they are none.
 */
export function guideStepOf(keepGuide: number | null, total: number): number | null {
  if (keepGuide === null) return null;
  const step = keepGuide < 1 ? keepGuide * total : Math.min(keepGuide, MOST * total);
  const kept = Math.max(1, Math.round(step));
  return kept < total ? kept : null;
}
