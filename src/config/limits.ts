/** Ranges of settings that come from several places: flags, programs, files of other programs, jobs. */
import type { Range } from './source.js';

/** Most images of a batch. */
export const MOST_BATCH = 65_536;

export const GUIDANCE: Range = { min: 0, max: 1000 };

/** Timesteps by which `leading` spacing begins later. */
export const STEPS_OFFSET: Range = { min: 0, max: 100_000 };
