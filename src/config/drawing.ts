import type { Source } from './source.js';

/** What every drawing of images is told: which and how many. */

/** The seed: any whole number that a double holds exactly. */
export const readSeed = (source: Source): number | undefined =>
  source.whole('seed', { min: 0, max: Number.MAX_SAFE_INTEGER });

/** Images to draw, where it is said. */
export const readCount = (source: Source): number | undefined =>
  source.whole('count', { min: 1, max: 65_536 });
